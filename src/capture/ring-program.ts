import { INSTRUCTION, type BpfProgram } from './bpf.ts'

// What the kernel runs for each packet of a socket: the user's filter, behind a lottery, and its answer is the length to keep.

const LOAD_ABSOLUTE = 0x20
const JUMP = 0x05
const JUMP_IF_EQUAL = 0x15
const JUMP_IF_AT_LEAST = 0x35
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

/** @param filter of the user's; undefined lets all pass */
export function ringProgram(filter: BpfProgram | undefined, snapshotLength: number, sampleRate: number): BpfProgram {
  const kept = filter ? cutAt(filter, snapshotLength) : returning(snapshotLength)
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

/** The same program, whose packets are cut at so many bytes. */
function cutAt(program: BpfProgram, length: number): BpfProgram {
  const copy = new Uint8Array(program)
  const view = new DataView(copy.buffer)
  for (let at = 0; at < copy.length; at += INSTRUCTION)
    if (view.getUint16(at, true) === RETURN && view.getUint32(at + 4, true) > 0) view.setUint32(at + 4, length, true)
  return copy
}

// code ·2 jump if true ·1 jump if false ·1 k ·4
function put(program: BpfProgram, i: number, code: number, yes: number, k: number, no = 0): void {
  const view = new DataView(program.buffer, i * INSTRUCTION, INSTRUCTION)
  view.setUint16(0, code, true)
  view.setUint8(2, yes)
  view.setUint8(3, no)
  view.setUint32(4, k, true)
}
