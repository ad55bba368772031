// Blocks of a pcapng file (draft-ietf-opsawg-pcapng), little-endian: what stands once in a file. Packets are in packet-blocks.ts.
//
//   block  type ·4 total length ·4 body, padded to 4, total length ·4
//   option code ·2 length ·2 value, padded to 4; the last one has the code 0

export const BLOCK = { section: 0x0a0d0d0a, interface: 1, statistics: 5, packet: 6 } as const

const BYTE_ORDER_MAGIC = 0x1a2b3c4d
const NANOSECONDS = 9
const LATIN = 0

export interface SectionInfo {
  /** The program that writes the file. */
  readonly application: string
  /** Of the system on which packets are captured. */
  readonly system: string
  readonly hardware: string
  readonly comment: string
}

export interface InterfaceInfo {
  readonly linkType: number
  readonly snapshotLength: number
  readonly name: string
  /** In tcpdump's words; '' if all packets are taken. */
  readonly filter: string
  /** Bits a second; 0 if unknown. */
  readonly speed: number
  /** Of the system to which the interface belongs; '' if unknown. */
  readonly system: string
  readonly description: string
}

export interface InterfaceStatistics {
  /** Number of the interface in this file. */
  readonly id: number
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  /** Packets that the interface had for the filter and that passed it, and those of them that the kernel dropped. */
  readonly received: number
  readonly dropped: number
  /** Packets that were handed over. */
  readonly delivered: number
  readonly comment: string
}

type Option = readonly [code: number, value: Uint8Array]

/** Section header: magic ·4, version 1.0 ·2 ·2, section length unknown ·8; shb_hardware 2, shb_os 3, shb_userappl 4. */
export function sectionBlock(info: SectionInfo): Uint8Array {
  const body = new DataView(new ArrayBuffer(16))
  body.setUint32(0, BYTE_ORDER_MAGIC, true)
  body.setUint16(4, 1, true)
  body.setUint32(8, 0xffffffff, true)
  body.setUint32(12, 0xffffffff, true)
  return blockOf(BLOCK.section, body, [
    ...text(1, info.comment),
    ...text(2, info.hardware),
    ...text(3, info.system),
    ...text(4, info.application),
  ])
}

/** Interface description: link type ·2, reserved ·2, snapshot length ·4; if_name 2, if_description 3, if_speed 8, if_tsresol 9, if_filter 11, if_os 12. */
export function interfaceBlock(info: InterfaceInfo): Uint8Array {
  const body = new DataView(new ArrayBuffer(8))
  body.setUint16(0, info.linkType, true)
  body.setUint32(4, info.snapshotLength, true)
  const options: Option[] = [...text(2, info.name), ...text(3, info.description)]
  if (info.speed > 0) options.push([8, wide(info.speed)])
  options.push([9, Uint8Array.of(NANOSECONDS)])
  // The first octet says how the filter is written: 0 is libpcap's words
  if (info.filter !== '') options.push([11, Uint8Array.of(LATIN, ...encoded(info.filter))])
  options.push(...text(12, info.system))
  return blockOf(BLOCK.interface, body, options)
}

/** Interface statistics: interface ·4, time ·8; isb_starttime 2, isb_endtime 3, isb_ifrecv 4, isb_ifdrop 5, isb_usrdeliv 8. */
export function statisticsBlock(info: InterfaceStatistics): Uint8Array {
  const body = new DataView(new ArrayBuffer(12))
  body.setUint32(0, info.id, true)
  new Uint8Array(body.buffer).set(timestamp(info.endedAt), 4)
  return blockOf(BLOCK.statistics, body, [
    ...text(1, info.comment),
    [2, timestamp(info.startedAt)],
    [3, timestamp(info.endedAt)],
    [4, wide(info.received)],
    [5, wide(info.dropped)],
    [8, wide(info.delivered)],
  ])
}

function blockOf(type: number, body: DataView, options: readonly Option[]): Uint8Array {
  const length = 12 + body.byteLength + options.reduce((sum, [, value]) => sum + 4 + padded(value.length), 4)
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, type, true)
  view.setUint32(4, length, true)
  bytes.set(new Uint8Array(body.buffer), 8)
  let at = 8 + body.byteLength
  for (const [code, value] of options) {
    view.setUint16(at, code, true)
    view.setUint16(at + 2, value.length, true)
    bytes.set(value, at + 4)
    at += 4 + padded(value.length)
  }
  view.setUint32(length - 4, length, true)
  return bytes
}

export const padded = (length: number): number => (length + 3) & ~3

/** Texts of options are told by 16 bits; what is longer is cut. */
const MOST_TEXT = 4096

function encoded(value: string): Uint8Array {
  return new TextEncoder().encode(value).subarray(0, MOST_TEXT)
}

function text(code: number, value: string): Option[] {
  return value === '' ? [] : [[code, encoded(value)]]
}

function wide(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.round(value)), true)
  return bytes
}

/** Nanoseconds since 1970: upper word, lower word. */
function timestamp(milliseconds: number): Uint8Array {
  const bytes = new Uint8Array(8)
  const view = new DataView(bytes.buffer)
  const nanos = BigInt(Math.round(milliseconds)) * 1_000_000n
  view.setUint32(0, Number(nanos >> 32n), true)
  view.setUint32(4, Number(nanos & 0xffffffffn), true)
  return bytes
}
