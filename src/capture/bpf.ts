import { OperatorError, UserError } from '../base/errors.ts'
import { DEVICE_DOWN } from './packet-device.ts'
import { LINK } from '../packet/link.ts'
import { markedFilter, placeInFilter } from './filter-place.ts'
import { loadLibpcap, messageRoom, type Libpcap } from './libpcap.ts'

// Filters in tcpdump's words. libpcap compiles them to classic BPF (McCanne and Jacobson, 1993); the kernel runs the program
// on a live device, and for files it is run here.

/** Instructions as the kernel takes them: code ·2 jump if true ·1 jump if false ·1 k ·4, in the machine's order. */
export type BpfProgram = Uint8Array<ArrayBuffer>

export const INSTRUCTION = 8

/**
 * Compiles a filter.
 * @param from link type of the packets of a file, or name of a live device: there the program has to ask the kernel for the VLAN tag that it took off the frame
 * @throws UserError with libpcap's own words where the filter is wrong; OperatorError where libpcap is missing or may not open the device
 */
export function compileFilter(expression: string, from: number | string, snapshotLength = 262_144): BpfProgram {
  const pcap = loadLibpcap('packet filters need')
  const handle = typeof from === 'number' ? pcap.openDead(dltOf(from), snapshotLength) : openedLive(pcap, from)
  try {
    return compiledBy(pcap, handle, expression)
  } finally {
    pcap.close(handle)
  }
}

/** libpcap's own number of a link type: the same as in files but for bare IP, whose number differs from system to system. */
function dltOf(linkType: number): number {
  return linkType === LINK.raw ? LINK.rawOld : linkType
}

/** @param handle of an open device or file. @throws UserError */
export function compiledBy(pcap: Libpcap, handle: unknown, expression: string): BpfProgram {
  // struct bpf_program: length ·4, padding ·4, address ·8
  const program = new ArrayBuffer(16)
  const at = pcap.address(program)
  if (pcap.compile(handle, at, expression, 1, 0xffffffff) !== 0) {
    const complaint = pcap.errorOf(handle)
    const place = placeInFilter(expression, complaint, (text) => {
      if (pcap.compile(handle, at, text, 1, 0xffffffff) !== 0) return pcap.errorOf(handle)
      pcap.freeCode(at)
      return ''
    })
    throw new UserError(
      `the packet filter “${expression}” is wrong: ${complaint}${place ? `\n${markedFilter(expression, place)}` : ''}`,
      {
        hint: 'write it as for tcpdump, such as: udp port 53 and net 10.0.0.0/8',
        ...(place ? { position: place.from } : {}),
      },
    )
  }
  const fields = new DataView(program)
  const length = fields.getUint32(0, true) * INSTRUCTION
  const copy = new Uint8Array(length)
  copy.set(new Uint8Array(pcap.view(fields.getBigUint64(8, true), length)))
  pcap.freeCode(at)
  return copy
}

function openedLive(pcap: Libpcap, device: string): unknown {
  const message = messageRoom(pcap)
  const handle = pcap.create(device, message.at)
  if (handle === null) throw refused(device, message.text())
  pcap.setSnapshotLength(handle, 64)
  pcap.setTimeout(handle, 100)
  activate(pcap, handle, device)
  return handle
}

const PCAP_ERROR_IFACE_NOT_UP = -9

/** Closes the handle if it can't be activated. @throws OperatorError */
export function activate(pcap: Libpcap, handle: unknown, device: string): void {
  const status = pcap.activate(handle)
  if (status >= 0) return
  const why = pcap.errorOf(handle) || pcap.statusText(status)
  pcap.close(handle)
  if (status === PCAP_ERROR_IFACE_NOT_UP) throw new OperatorError(DEVICE_DOWN, `${device} is down`, { retryable: true })
  throw refused(device, why)
}

export function refused(device: string, why: string): OperatorError {
  return new OperatorError('capture_refused', `libpcap can’t open ${device}: ${why}`, {
    hint: 'capturing needs root or the capability CAP_NET_RAW',
  })
}

/** A program that runs here, on packets in memory. */
export interface PacketFilter {
  /** True if the packet passes. @param original its length on the wire */
  passes(view: DataView, offset: number, captured: number, original: number): boolean
}

const SCRATCH = 16

/** @param program one that libpcap compiled: its instructions are not checked again */
export function createPacketFilter(program: BpfProgram): PacketFilter {
  const count = program.length / INSTRUCTION
  const codes = new Uint16Array(count)
  const yes = new Uint8Array(count)
  const no = new Uint8Array(count)
  const ks = new Uint32Array(count)
  const source = new DataView(program.buffer, program.byteOffset, program.length)
  for (let i = 0; i < count; i++) {
    codes[i] = source.getUint16(i * INSTRUCTION, true)
    yes[i] = source.getUint8(i * INSTRUCTION + 2)
    no[i] = source.getUint8(i * INSTRUCTION + 3)
    ks[i] = source.getUint32(i * INSTRUCTION + 4, true)
  }
  const memory = new Uint32Array(SCRATCH)

  // A read beyond the packet lets it fail, as in the kernel. Only `protochain` jumps back, once a header of at least a byte.
  function run(view: DataView, offset: number, captured: number, original: number): number {
    let a = 0
    let x = 0
    let backward = 0
    for (let i = 0; i < count; i++) {
      const code = codes[i] as number
      const k = ks[i] as number
      switch (code & 7) {
        case 0: // LD
        case 1: {
          // LDX
          const isX = (code & 7) === 1
          let value = 0
          const mode = code & 0xe0
          if (mode === 0x00) value = k
          else if (mode === 0x60) value = memory[k & (SCRATCH - 1)] as number
          else if (mode === 0x80) value = original
          else {
            const at = mode === 0x40 ? k + x : k
            const size = isX && mode === 0xa0 ? 1 : (code & 0x18) === 0 ? 4 : (code & 0x18) === 8 ? 2 : 1
            if (at + size > captured) return 0
            const from = offset + at
            value = size === 4 ? view.getUint32(from) : size === 2 ? view.getUint16(from) : view.getUint8(from)
            // LDX MSH: four times the lower nibble, the length of an IPv4 header
            if (isX && mode === 0xa0) value = (value & 15) << 2
          }
          if (isX) x = value
          else a = value
          break
        }
        case 2: // ST
          memory[k & (SCRATCH - 1)] = a
          break
        case 3: // STX
          memory[k & (SCRATCH - 1)] = x
          break
        case 4: {
          // ALU
          const operand = (code & 8) === 0 ? k : x
          const done = calculate(code & 0xf0, a, operand)
          if (done < 0) return 0
          a = done
          break
        }
        case 5: {
          // JMP
          const operand = (code & 8) === 0 ? k : x
          const kind = code & 0xf0
          if (kind === 0) {
            // Signed, as in libpcap
            if ((k | 0) < 0 && ++backward > captured) return 0
            i += k | 0
            break
          }
          const holds =
            kind === 0x10
              ? a === operand
              : kind === 0x20
                ? a > operand
                : kind === 0x30
                  ? a >= operand
                  : (a & operand) >>> 0 !== 0
          i += holds ? (yes[i] as number) : (no[i] as number)
          break
        }
        case 6: // RET
          return (code & 0x18) === 0x10 ? a : k
        default:
          // MISC: TAX, TXA
          if ((code & 0xf8) === 0) x = a
          else a = x
      }
    }
    return 0
  }

  return { passes: (view, offset, captured, original) => run(view, offset, captured, original) !== 0 }
}

/** A negative number for a division by zero, which ends the program. */
function calculate(operation: number, a: number, b: number): number {
  switch (operation) {
    case 0x00:
      return (a + b) >>> 0
    case 0x10:
      return (a - b) >>> 0
    case 0x20:
      return Math.imul(a, b) >>> 0
    case 0x30:
      return b === 0 ? -1 : Math.floor(a / b)
    case 0x40:
      return (a | b) >>> 0
    case 0x50:
      return (a & b) >>> 0
    case 0x60:
      return b > 31 ? 0 : (a << b) >>> 0
    case 0x70:
      return b > 31 ? 0 : a >>> b
    case 0x80:
      return -a >>> 0
    case 0x90:
      return b === 0 ? -1 : a % b
    default:
      return (a ^ b) >>> 0
  }
}
