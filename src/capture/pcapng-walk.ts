// pcapng (draft-ietf-opsawg-pcapng): the walk over its blocks.

import { LINK } from '../packet/link.ts'
import { MOST_PACKET, type ReadingOptions, type Walk } from './capture-walk.ts'
import { showLogged, type Logged } from './nflog.ts'
import type { PacketBlock } from './packet-block.ts'

export const SECTION = 0x0a0d0d0a

interface Interface {
  readonly name: string
  readonly linkType: number
  /** Units of its timestamps in a second. */
  readonly units: bigint
  readonly offsetSeconds: bigint
}

/** Bytes of an interface's name that are read. */
const MOST_NAME = 256

/** Interfaces of one file that are told apart; its section may name any number. */
const MOST_INTERFACES = 65_536

// Every block: type 4, total length 4, body padded to 4, total length 4
export function pcapngWalk(options: ReadingOptions): Walk {
  let little = false
  let interfaces: Interface[] = []
  const logged: Logged | undefined = options.logged === true ? { sequence: -1, hasTime: false } : undefined
  return (window, block, ended, problem) => {
    const { view, end } = window
    const capacity = block.offset.length
    while (block.count < capacity) {
      const at = window.at
      const have = end - at
      if (have < 12) {
        if (!ended) return 'more'
        if (have > 0) problem('truncated', window.base + at)
        return 'done'
      }
      if (view.getUint32(at) === SECTION) {
        // A new section may have another byte order: its magic 1a2b3c4d tells
        const magic = view.getUint32(at + 8)
        if (magic !== 0x1a2b3c4d && magic !== 0x4d3c2b1a) {
          problem('bad_length', window.base + at + 8)
          return 'done'
        }
        little = magic === 0x4d3c2b1a
        interfaces = []
      }
      const type = view.getUint32(at, little)
      const length = view.getUint32(at + 4, little)
      if (length < 12 || length % 4 !== 0 || length > MOST_PACKET) {
        problem('bad_length', window.base + at + 4)
        return 'done'
      }
      const isCut = have < length
      if (isCut && !ended) return 'more'
      const bodyEnd = isCut ? end : at + length - 4
      if (type === 1 && bodyEnd - at >= 16) {
        if (interfaces.length < MOST_INTERFACES) {
          const found = readInterface(view, at, bodyEnd, little)
          interfaces.push(found)
          options.interfaceFound?.(interfaces.length - 1, found.name, found.linkType)
        }
      } else if (type === 6 || type === 2 || type === 3) {
        const understood = readPacketBlock(type, view, at, bodyEnd, little, interfaces, block)
        if (!understood && !isCut) problem('bad_length', window.base + at)
        const i = block.count - 1
        if (understood && logged && block.linkType[i] === LINK.nflog) {
          const from = block.offset[i] as number
          showLogged(block, i, view, from, from + (block.captured[i] as number), little, logged)
        }
      }
      if (isCut) {
        problem('truncated', window.base + at)
        return 'done'
      }
      window.at = at + length
    }
    return 'full'
  }
}

// Interface description: link type 2, reserved 2, snapshot length 4, options { code 2, length 2, value }*: 2 if_name,
// 9 if_tsresol, 14 if_tsoffset
function readInterface(view: DataView, start: number, end: number, little: boolean): Interface {
  let units = 1_000_000n
  let offsetSeconds = 0n
  let name = ''
  let at = start + 16
  while (end - at >= 4) {
    const code = view.getUint16(at, little)
    const length = view.getUint16(at + 2, little)
    if (code === 0 || length > end - at - 4) break
    if (code === 2) name = textOf(view, at + 4, Math.min(length, MOST_NAME))
    if (code === 9 && length >= 1) {
      const resolution = view.getUint8(at + 4)
      const power = BigInt(Math.min(resolution & 0x7f, 63))
      units = (resolution & 0x80) === 0 ? 10n ** (power > 18n ? 18n : power) : 1n << power
    }
    if (code === 14 && length >= 8) offsetSeconds = view.getBigInt64(at + 4, little)
    at += 4 + ((length + 3) & ~3)
  }
  return { name, linkType: view.getUint16(start + 8, little), units, offsetSeconds }
}

// Enhanced packet: interface 4, timestamp high 4, low 4, captured 4, original 4, bytes. Packet (obsolete): interface 2, drops 2, then the same.
// Simple packet: original 4, bytes
function readPacketBlock(
  type: number,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
  interfaces: readonly Interface[],
  into: PacketBlock,
): boolean {
  const port =
    type === 3 ? 0 : end - at < 12 ? -1 : type === 6 ? view.getUint32(at + 8, little) : view.getUint16(at + 8, little)
  const from = interfaces[port]
  const head = type === 3 ? 12 : 28
  if (!from || end - at < head) return false
  const i = into.count++
  const original = view.getUint32(at + (type === 3 ? 8 : 24), little)
  const length = type === 3 ? original : view.getUint32(at + 20, little)
  into.offset[i] = at + head
  into.captured[i] = Math.min(end - at - head, length)
  into.original[i] = original
  into.linkType[i] = from.linkType
  into.tag[i] = 0
  into.port[i] = port
  into.direction[i] =
    type === 6 && isSent(view, at + head + (((into.captured[i] as number) + 3) & ~3), end, little) ? 1 : 0
  if (type === 3) {
    into.seconds[i] = 0
    into.nanos[i] = 0
    return true
  }
  const high = view.getUint32(at + 12, little)
  const low = view.getUint32(at + 16, little)
  if (from.units === 1_000_000n && from.offsetSeconds === 0n && high < 0x200000) {
    // Microseconds, by far the most frequent: they fit into a double until the year 2255
    const micros = high * 0x1_0000_0000 + low
    const seconds = Math.floor(micros / 1e6)
    into.seconds[i] = seconds
    into.nanos[i] = (micros - seconds * 1e6) * 1000
    return true
  }
  const stamp = (BigInt(high) << 32n) | BigInt(low)
  into.seconds[i] = Number(stamp / from.units + from.offsetSeconds)
  into.nanos[i] = Number(((stamp % from.units) * 1_000_000_000n) / from.units)
  return true
}

// Options of an enhanced packet: 2 epb_flags, whose two lowest bits are 2 for a packet that was sent
function isSent(view: DataView, start: number, end: number, little: boolean): boolean {
  for (let at = start; end - at >= 4;) {
    const code = view.getUint16(at, little)
    const length = view.getUint16(at + 2, little)
    if (code === 0 || length > end - at - 4) return false
    if (code === 2 && length === 4) return (view.getUint32(at + 4, little) & 3) === 2
    at += 4 + ((length + 3) & ~3)
  }
  return false
}

function textOf(view: DataView, at: number, length: number): string {
  const text = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, length))
  const end = text.indexOf('\0')
  return end < 0 ? text : text.slice(0, end)
}
