// Where the flow cache keeps a flow: what each packet touches in one cache line, what only the first and the last need in another,
// and the other direction, where both are one flow, in a third.

/** 32-bit words, and 64-bit floats, of a line. */
export const LINE_WORDS = 16
export const LINE_NUMBERS = 8
export const LINE_BYTES = 64

/** Words of the first line. The first six are fields of the flow's first packet; of the addresses the last words. */
export const HOT = {
  src: 0,
  dst: 1,
  ports: 2,
  protocol: 3,
  vlans: 4,
  port: 5,
  /** Below, MARK. */
  marks: 6,
  /** Greatest and least length of an IP packet, in the upper and the lower 16 bits; 65535 stands for all above. */
  lengths: 7,
} as const

/** The rest of the first line, in floats. Times are milliseconds since 1970, of both directions. */
export const HOT_NUMBER = { packets: 4, bytes: 5, first: 6, last: 7 } as const

/** Bits of the word `marks`: TCP flags lowest, greatest TTL highest, least TTL below it. */
export const MARK = {
  tcpFlags: 0xfff,
  state: 0x3000,
  /** IPv4, and nothing of the key in the second line. */
  plain: 0x4000,
  /** The flow's first packet was turned (biflow.ts). */
  turned: 0x8000,
} as const

export const STATE = { free: 0, open: 0x1000, finSeen: 0x2000, rstSeen: 0x3000 } as const

/** No flags yet, no TTL yet. */
export const NO_TTL = 0x00ff0000
export const NO_LENGTH = 0xffff

/** Words of the second line: the upper words of the addresses, and what follows. */
export const COLD = {
  src: 0,
  dst: 3,
  srcMacLow: 6,
  dstMacLow: 7,
  macsHigh: 8,
  tunnel: 9,
  mpls: 10,
  hash: 11,
  initiator: 12,
} as const

/** Words of the third line: as `marks` and `lengths`, then ToS (with EGRESS) and interface of the first packet back. */
export const BACK = { marks: 0, lengths: 1, tos: 2, port: 3 } as const

export const BACK_NUMBER = { packets: 2, bytes: 3, first: 4, last: 5, thereFirst: 6, thereLast: 7 } as const

const FIN = 0x01
const RST = 0x04

/** The word `marks` with a packet more. */
export function marked(marks: number, tcpFlags: number, ttl: number): number {
  let all = marks
  if (tcpFlags !== 0) {
    all |= tcpFlags & MARK.tcpFlags
    if ((tcpFlags & (FIN | RST)) !== 0)
      all = (all & ~MARK.state) | ((tcpFlags & RST) !== 0 ? STATE.rstSeen : STATE.finSeen)
  }
  if (ttl > all >>> 24) all = (all & 0x00ffffff) | (ttl << 24)
  if (ttl < ((all >>> 16) & 0xff)) all = (all & 0xff00ffff) | (ttl << 16)
  return all
}

/** The word `lengths` with a packet more. */
export function lengthsWith(lengths: number, length: number): number {
  const capped = length > 0xffff ? 0xffff : length
  let all = lengths
  if (capped > all >>> 16) all = (capped << 16) | (all & 0xffff)
  if (capped < (all & 0xffff)) all = (all & 0xffff0000) | capped
  return all
}
