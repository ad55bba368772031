import { createTableMemory } from '../base/huge-pages.ts'
import { LINE_BYTES, LINE_NUMBERS, LINE_WORDS } from './flow-slots.ts'

/** The memory of flows, a line of each kind a slot (flow-slots.ts). What no flow has used yet is not taken from the system. */
export interface FlowLines {
  /** The first line, as words and as floats. */
  readonly words: Int32Array
  readonly numbers: Float64Array
  /** The second one. */
  readonly cold: Int32Array
  /** The third one, of the other direction; nothing where each direction is a flow of its own. */
  readonly back: Int32Array
  readonly backNumbers: Float64Array
}

export function createFlowLines(slots: number, biflow: boolean): FlowLines {
  const bytes = slots * LINE_BYTES
  const backSlots = biflow ? slots : 0
  const [hot, cold, back] = createTableMemory([bytes, bytes, backSlots * LINE_BYTES])
  return {
    words: new Int32Array(hot!.buffer, hot!.offset, slots * LINE_WORDS),
    numbers: new Float64Array(hot!.buffer, hot!.offset, slots * LINE_NUMBERS),
    cold: new Int32Array(cold!.buffer, cold!.offset, slots * LINE_WORDS),
    back: new Int32Array(back!.buffer, back!.offset, backSlots * LINE_WORDS),
    backNumbers: new Float64Array(back!.buffer, back!.offset, backSlots * LINE_NUMBERS),
  }
}
