import { INSTRUCTION, type BpfProgram } from './bpf.ts'

// What the kernel runs for each packet of a socket: the user's filter, behind a lottery, and its answer is the length to keep.

const LOAD_ABSOLUTE = 0x20
const JUMP = 0x05
const JUMP_IF_EQUAL = 0x15
const JUMP_IF_AT_LEAST = 0x35
const JUMP_IF_GREATER = 0x25
const LOAD_HALF = 0x28
const LOAD_BYTE = 0x30
const LOAD_LENGTH = 0x80
const RETURN = 0x06
/** SKF_AD_OFF + SKF_AD_RANDOM (linux/filter.h): a random number of 32 bits in place of a word of the packet. */
const RANDOM = 0xfffff000 + 56
/** SKF_AD_OFF + SKF_AD_HATYPE: the ARPHRD of the packet's device. */
const HARDWARE_TYPE = 0xfffff000 + 28
export const ARPHRD_ETHER = 1
export const ARPHRD_LOOPBACK = 772
/** BPF_MAXINSNS */
const MOST_INSTRUCTIONS = 4096

/** Of the 2^32 numbers that the kernel may draw, those with which a packet is kept: as near to one of `rate` as there is. */
function lots(rate: number): number {
  return Math.min(2 ** 32 - 1, Math.max(1, Math.round(2 ** 32 / rate)))
}

/** One packet of how many is kept where one of `rate` is asked for. */
export function trueSampleRate(rate: number): number {
  return rate <= 1 ? 1 : 2 ** 32 / lots(rate)
}

export interface RingProgramOptions {
  /** Of the user's; undefined lets all pass. */
  readonly filter?: BpfProgram | undefined
  /** Bytes of a packet that are kept. */
  readonly snapshotLength: number
  readonly sampleRate: number
  /** Keeps no more than the headers of packets whose headers end early, which are most. */
  readonly headersOnly: boolean
}

export function ringProgram({ filter, snapshotLength, sampleRate, headersOnly }: RingProgramOptions): BpfProgram {
  const ending = (end: BpfProgram): BpfProgram => drawn(sampleRate, filter ? followedBy(filter, end) : end)
  const short = headersOnly ? ending(returningHeaders(snapshotLength)) : undefined
  // It only saves time: no filter is to be refused for it
  return short && !isTooLong(short) ? short : ending(returning(snapshotLength))
}

/** The program, for one of so many packets, at random. */
function drawn(sampleRate: number, kept: BpfProgram): BpfProgram {
  if (sampleRate <= 1) return kept
  // Jumps are relative, so the filter stays as it is; and with the lottery first it runs for few packets
  const program = new Uint8Array(3 * INSTRUCTION + kept.length)
  put(program, 0, LOAD_ABSOLUTE, 0, RANDOM)
  put(program, 1, JUMP_IF_AT_LEAST, 0, lots(sampleRate), 1)
  put(program, 2, RETURN, 0, 0)
  program.set(kept, 3 * INSTRUCTION)
  return program
}

/**
 * For packets of all devices at once: one program for those with an Ethernet header, one for bare packets.
 * @param bare undefined lets none of these pass
 */
export function programForAll(ethernet: BpfProgram, bare: BpfProgram | undefined): BpfProgram {
  const other = bare ?? returning(0)
  const head = 4 * INSTRUCTION
  const program = new Uint8Array(head + ethernet.length + other.length)
  put(program, 0, LOAD_ABSOLUTE, 0, HARDWARE_TYPE)
  put(program, 1, JUMP_IF_EQUAL, 2, ARPHRD_ETHER)
  put(program, 2, JUMP_IF_EQUAL, 1, ARPHRD_LOOPBACK)
  put(program, 3, JUMP, 0, ethernet.length / INSTRUCTION)
  program.set(ethernet, head)
  program.set(other, head + ethernet.length)
  return program
}

/** Whether the kernel takes a program of this length. */
export function isTooLong(program: BpfProgram): boolean {
  return program.length > MOST_INSTRUCTIONS * INSTRUCTION
}

/** Keeps so many bytes of every packet; with 0, no packet. */
export function returning(length: number): BpfProgram {
  const program = new Uint8Array(INSTRUCTION)
  put(program, 0, RETURN, 0, length)
  return program
}

/** The first program, and behind it the second, which says of the packets that the first lets pass how much of them is kept. */
function followedBy(first: BpfProgram, second: BpfProgram): BpfProgram {
  const program = new Uint8Array(first.length + second.length)
  program.set(first)
  program.set(second, first.length)
  const view = new DataView(program.buffer)
  const count = first.length / INSTRUCTION
  for (let i = 0; i < count; i++) {
    const at = i * INSTRUCTION
    if (view.getUint16(at, true) === RETURN && view.getUint32(at + 4, true) > 0) put(program, i, JUMP, 0, count - i - 1)
  }
  return program
}

/** Where an IP header lies behind an Ethernet header without a tag: what the kernel took off stands beside the packet. */
const IP = 14
const [TCP, UDP] = [6, 17]
/** No port outside of these is one behind which a tunnel is looked for (packet/dissect.ts). */
const [LEAST_TUNNEL_PORT, GREATEST_TUNNEL_PORT] = [2152, 8472]
/** All loads lie within so many bytes: those of the shortest frame that an Ethernet carries. */
const LONG_ENOUGH = 60
/** Up to and with the flags of TCP; with what the kernel puts before it, a packet fills whole units of its ring. */
const [HEADERS_V4, HEADERS_V6] = [62, 78]

/**
 * Keeps the headers of TCP and UDP in IPv4 without options and in IPv6 without extension headers, where the ports are those of no
 * tunnel, on Ethernet; of any other packet so many bytes as are given.
 */
export function returningHeaders(otherwise: number): BpfProgram {
  // By name where each one goes on; the next one if nothing is said
  type Step = readonly [name: string, code: number, k: number, yes?: string, no?: string]
  const ports = (name: string, at: number, short: string): Step[] => [
    [name, LOAD_HALF, at],
    ['', JUMP_IF_AT_LEAST, LEAST_TUNNEL_PORT, '', `${name} to`],
    ['', JUMP_IF_GREATER, GREATEST_TUNNEL_PORT, '', 'all'],
    [`${name} to`, LOAD_HALF, at + 2],
    ['', JUMP_IF_AT_LEAST, LEAST_TUNNEL_PORT, '', short],
    ['', JUMP_IF_GREATER, GREATEST_TUNNEL_PORT, short, 'all'],
  ]
  const steps: readonly Step[] = [
    // A load behind the end would let nothing of the packet through
    ['', LOAD_LENGTH, 0],
    ['', JUMP_IF_AT_LEAST, LONG_ENOUGH, '', 'all'],
    ['', LOAD_ABSOLUTE, HARDWARE_TYPE],
    ['', JUMP_IF_EQUAL, ARPHRD_ETHER, 'ethernet'],
    ['', JUMP_IF_EQUAL, ARPHRD_LOOPBACK, '', 'all'],
    ['ethernet', LOAD_HALF, IP - 2],
    ['', JUMP_IF_EQUAL, 0x86dd, 'v6'],
    ['', JUMP_IF_EQUAL, 0x0800, '', 'all'],
    // Version 4, five words
    ['', LOAD_BYTE, IP],
    ['', JUMP_IF_EQUAL, 0x45, '', 'all'],
    ['', LOAD_BYTE, IP + 9],
    ['', JUMP_IF_EQUAL, TCP, 'short v4'],
    ['', JUMP_IF_EQUAL, UDP, '', 'all'],
    ...ports('v4 ports', IP + 20, 'short v4'),
    ['short v4', RETURN, Math.min(HEADERS_V4, otherwise)],
    ['v6', LOAD_BYTE, IP + 6],
    ['', JUMP_IF_EQUAL, TCP, 'short v6'],
    ['', JUMP_IF_EQUAL, UDP, '', 'all'],
    ...ports('v6 ports', IP + 40, 'short v6'),
    ['short v6', RETURN, Math.min(HEADERS_V6, otherwise)],
    ['all', RETURN, otherwise],
  ]
  const program = new Uint8Array(steps.length * INSTRUCTION)
  for (const [i, [, code, k, yes = '', no = '']] of steps.entries()) {
    const distance = (name: string): number => (name === '' ? 0 : steps.findIndex(([each]) => each === name) - i - 1)
    put(program, i, code, distance(yes), k, distance(no))
  }
  return program
}

// code ·2 jump if true ·1 jump if false ·1 k ·4
function put(program: BpfProgram, i: number, code: number, yes: number, k: number, no = 0): void {
  const view = new DataView(program.buffer, i * INSTRUCTION, INSTRUCTION)
  view.setUint16(0, code, true)
  view.setUint8(2, yes)
  view.setUint8(3, no)
  view.setUint32(4, k, true)
}
