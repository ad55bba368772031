import { COLUMNS } from '../flow/columns.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { uintHigh, uintLow } from '../wire/ipfix/numbers.ts'
import { locateFields } from '../wire/ipfix/records.ts'
import type { Template } from '../wire/ipfix/template.ts'
import { WORD, type RowSink } from './netflow-context.ts'

// RFC 5473: what many flows have in common is told once in options, under a commonPropertiesId, and flows name it. Here the row of the
// options record is remembered, and fills those columns of a flow's row that the flow's own record leaves empty.

export const COMMON_PROPERTIES_ID = 137

/** Remembered of one stream, and of all together. */
const MAX_OF_STREAM = 4_096
const MAX_OF_ALL = 65_536

/** Columns that say when, where and how much: those are of the record alone. */
const OWN = new Set([
  'time_received',
  'time_start',
  'time_end',
  'exporter',
  'protocol',
  'observation',
  'source_if',
  'sampling_rate',
  'bytes',
  'packets',
  'counted',
])

type Column = Uint8Array | Uint16Array | Uint32Array

interface Shared {
  readonly name: string
  /** Array elements of a row. */
  readonly width: number
}

const WIDTHS = { u8: 1, u16: 1, u32: 1, name: 1, u64: 2, mac: 2, ip: 4 } as const
const SHARED: readonly Shared[] = COLUMNS.filter(({ name, storage }) => !OWN.has(name) && storage !== 'name').map(
  ({ name, storage }) => ({ name, width: WIDTHS[storage] }),
)

interface Cell {
  readonly name: string
  readonly words: readonly number[]
}

/** What one stream told, by commonPropertiesId, in the order in which it was told. */
export type CommonOfStream = Map<number, readonly Cell[]>

export class CommonProperties {
  #count = 0
  #scratch: FlowBatch | undefined

  /** A sink for the one row of an options record, empty. */
  sink(): RowSink {
    this.#scratch ??= new FlowBatch(2)
    this.#scratch.clear()
    return { flows: this.#scratch, room: () => true }
  }

  /** Remembers the row in the sink under the id that its record has. */
  learn(known: CommonOfStream, id: number): void {
    const scratch = this.#scratch
    if (scratch === undefined || scratch.n === 0) return
    const cells: Cell[] = []
    for (const { name, width } of SHARED) {
      const words = [...columnOf(scratch, name).subarray(0, width)]
      if (words.some((word) => word !== 0)) cells.push({ name, words })
    }
    if (!known.delete(id)) {
      if (known.size >= MAX_OF_STREAM) known.delete(known.keys().next().value as number)
      else if (this.#count >= MAX_OF_ALL) return
      else this.#count++
    }
    known.set(id, cells)
  }

  /** Fills the empty columns of `count` rows from `first` on. */
  join(known: CommonOfStream, id: number, batch: FlowBatch, first: number, count: number): void {
    for (const { name, words } of known.get(id) ?? []) {
      const column = columnOf(batch, name)
      const width = words.length
      for (let row = first; row < first + count; row++) {
        let empty = true
        for (let i = 0; i < width; i++) empty &&= column[width * row + i] === 0
        if (empty) for (let i = 0; i < width; i++) column[width * row + i] = words[i] as number
      }
    }
  }

  forgotten(known: CommonOfStream | undefined): void {
    this.#count -= known?.size ?? 0
  }
}

/** The commonPropertiesId in the record at `at`; -1 if it has none. */
export function commonIdOf(template: Template, view: DataView, at: number, end: number): number {
  const field = template.elements.findIndex(
    (element, i) => element === COMMON_PROPERTIES_ID && template.enterprises[i] === 0,
  )
  const offsets = new Uint32Array(template.elements.length)
  const lengths = new Uint32Array(template.elements.length)
  if (field < 0 || locateFields(template, view, at, end, offsets, lengths) < 0) return -1
  const length = lengths[field] as number
  if (length === 0 || length > 8) return -1
  return uintHigh(view, offsets[field] as number, length) * WORD + uintLow(view, offsets[field] as number, length)
}

const columnOf = (batch: FlowBatch, name: string): Column => batch[name as keyof FlowBatch] as unknown as Column
