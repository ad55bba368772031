// A flow as it is handed over when it ends.

import { FIELD, FIELDS } from './flow-key.ts'
import { MARK } from './flow-slots.ts'

/** What was counted of the packets of one direction. Written over and over; read it where it is handed over. */
export class FlowSide {
  private readonly numbers = new Float64Array(4)
  /** ToS and interface of the first packet, and whether it was one that the machine itself sent. */
  tos = 0
  port = 0
  isEgress = false
  tcpFlags = 0
  leastTtl = 0
  greatestTtl = 0
  /** Of IP packets; 65535 stands for all above. */
  leastLength = 0
  greatestLength = 0

  get packets(): number {
    return this.numbers[0] as number
  }
  get bytes(): number {
    return this.numbers[1] as number
  }
  /** Times of the first and the last packet, milliseconds since 1970. */
  get first(): number {
    return this.numbers[2] as number
  }
  get last(): number {
    return this.numbers[3] as number
  }

  /** From the words of the flow cache (MARK, HOT.lengths). */
  setMarks(marks: number, lengths: number): void {
    this.tcpFlags = marks & MARK.tcpFlags
    this.leastTtl = (marks >>> 16) & 0xff
    this.greatestTtl = marks >>> 24
    this.leastLength = lengths & 0xffff
    this.greatestLength = lengths >>> 16
  }

  count(packets: number, bytes: number, first: number, last: number): void {
    const { numbers } = this
    numbers[0] = packets
    numbers[1] = bytes
    numbers[2] = first
    numbers[3] = last
  }
}

/** Which side began a flow of both directions (IPFIX biflowDirection, RFC 5103 §6.3). */
export const INITIATOR = { unknown: 0, source: 1, destination: 2 } as const

export class FlowRecord {
  /** As the flow's first packet had them (flow-key.ts), seen from the source of `there`. */
  readonly fields = new Int32Array(FIELDS)
  there = new FlowSide()
  /** The other direction, where both are one flow; no packets where there was none. */
  back = new FlowSide()
  initiator: number = INITIATOR.unknown

  turnFields(): void {
    turnFields(this.fields, 0)
  }

  /** Seen from the other side. */
  turn(): void {
    turnFields(this.fields, 0)
    const { there } = this
    this.there = this.back
    this.back = there
    if (this.initiator !== INITIATOR.unknown) this.initiator = 3 - this.initiator
  }
}

/** Exchanges source and destination of the fields from `at`. */
export function turnFields(fields: Int32Array, at: number): void {
  for (let w = 0; w < 4; w++) {
    const src = fields[at + FIELD.src + w] as number
    fields[at + FIELD.src + w] = fields[at + FIELD.dst + w] as number
    fields[at + FIELD.dst + w] = src
  }
  const ports = fields[at + FIELD.ports] as number
  const protocol = (fields[at + FIELD.protocol] as number) & 0xff
  fields[at + FIELD.ports] =
    protocol === 1 || protocol === 58 ? (answerOf(ports >>> 8) << 8) | (ports & 0xff) : (ports << 16) | (ports >>> 16)
  const mac = fields[at + FIELD.srcMacLow] as number
  fields[at + FIELD.srcMacLow] = fields[at + FIELD.dstMacLow] as number
  fields[at + FIELD.dstMacLow] = mac
  const high = fields[at + FIELD.macsHigh] as number
  fields[at + FIELD.macsHigh] = (high << 16) | (high >>> 16)
}

/** ICMP and ICMPv6 types that answer each other; the others have no answer, and are the same either way. */
function answerOf(type: number): number {
  switch (type) {
    case 0:
      return 8
    case 8:
      return 0
    // Timestamp, information, address mask
    case 13:
    case 15:
    case 17:
      return type + 1
    case 14:
    case 16:
    case 18:
      return type - 1
    // Echo, node information
    case 128:
    case 139:
      return type + 1
    case 129:
    case 140:
      return type - 1
    default:
      return type
  }
}
