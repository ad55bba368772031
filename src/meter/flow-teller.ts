// What lies in the lines of a flow, as the record that is handed over when it ends.

import { FIELD as FIELDS_OF_KEY } from './flow-key.ts'
import type { FlowLines } from './flow-lines.ts'
import { FlowRecord } from './flow-record.ts'
import * as slots from './flow-slots.ts'

const { BACK, BACK_NUMBER, COLD, HOT, HOT_NUMBER, LINE_NUMBERS, LINE_WORDS, MARK } = slots
const FIELD = FIELDS_OF_KEY

const IPV4_MAPPED = 0xffff0000

/** Answers the flow of a slot; the same record each time, written anew. */
export function createFlowTeller(lines: FlowLines, biflow: boolean): (slot: number) => FlowRecord {
  const { words, numbers, cold, back, backNumbers } = lines
  const record = new FlowRecord()
  const { fields } = record

  function tellBack(at: number, n: number, marks: number): void {
    record.initiator = cold[at + COLD.initiator] as number
    record.there.count(
      numbers[n + HOT_NUMBER.packets] as number,
      numbers[n + HOT_NUMBER.bytes] as number,
      backNumbers[n + BACK_NUMBER.thereFirst] as number,
      backNumbers[n + BACK_NUMBER.thereLast] as number,
    )
    const tos = back[at + BACK.tos] as number
    record.back.tos = tos & 0xff
    record.back.isEgress = tos >>> 31 === 1
    record.back.port = (back[at + BACK.port] as number) >>> 0
    record.back.setMarks(back[at + BACK.marks] as number, back[at + BACK.lengths] as number)
    record.back.count(
      backNumbers[n + BACK_NUMBER.packets] as number,
      backNumbers[n + BACK_NUMBER.bytes] as number,
      backNumbers[n + BACK_NUMBER.first] as number,
      backNumbers[n + BACK_NUMBER.last] as number,
    )
    if ((marks & MARK.turned) !== 0) record.turnFields()
    // Nothing in this piece from the side that sent the first packet of the flow
    if (record.there.packets === 0) record.turn()
  }

  return (slot) => {
    const at = slot * LINE_WORDS
    const n = slot * LINE_NUMBERS
    const marks = words[at + HOT.marks] as number
    if ((marks & MARK.plain) !== 0) {
      fields[FIELD.src] = 0
      fields[FIELD.src + 1] = 0
      fields[FIELD.src + 2] = IPV4_MAPPED
      fields[FIELD.dst] = 0
      fields[FIELD.dst + 1] = 0
      fields[FIELD.dst + 2] = IPV4_MAPPED
    } else
      for (let w = 0; w < 3; w++) {
        fields[FIELD.src + w] = cold[at + COLD.src + w] as number
        fields[FIELD.dst + w] = cold[at + COLD.dst + w] as number
      }
    fields[FIELD.src + 3] = words[at + HOT.src] as number
    fields[FIELD.dst + 3] = words[at + HOT.dst] as number
    fields[FIELD.ports] = words[at + HOT.ports] as number
    const protocol = words[at + HOT.protocol] as number
    fields[FIELD.protocol] = protocol
    fields[FIELD.vlans] = words[at + HOT.vlans] as number
    fields[FIELD.port] = words[at + HOT.port] as number
    fields[FIELD.srcMacLow] = cold[at + COLD.srcMacLow] as number
    fields[FIELD.dstMacLow] = cold[at + COLD.dstMacLow] as number
    fields[FIELD.macsHigh] = cold[at + COLD.macsHigh] as number
    fields[FIELD.tunnel] = cold[at + COLD.tunnel] as number
    const mpls = cold[at + COLD.mpls] as number
    fields[FIELD.mpls] = mpls
    const { there } = record
    there.tos = (protocol >>> 8) & 0xff
    there.port = (words[at + HOT.port] as number) >>> 0
    there.isEgress = mpls >>> 31 === 1
    there.setMarks(marks, words[at + HOT.lengths] as number)
    there.count(
      numbers[n + HOT_NUMBER.packets] as number,
      numbers[n + HOT_NUMBER.bytes] as number,
      numbers[n + HOT_NUMBER.first] as number,
      numbers[n + HOT_NUMBER.last] as number,
    )
    if (biflow) tellBack(at, n, marks)
    return record
  }
}
