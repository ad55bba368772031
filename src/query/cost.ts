import { OperatorError } from '../base/errors.ts'
import { COLUMNS, type ColumnStorage } from '../flow/columns.ts'
import { textsOf } from './planner.ts'
import type { Prepared } from './question.ts'
import type { Run } from './run.ts'
import { columnsIn, readFrom, tablesOf } from './source.ts'

// What a question will cost, before it runs: the rows that the store's index leaves to be read, and how fast such
// questions were answered here so far.

export type Kind = 'top' | 'series' | 'matrix' | 'flows' | 'distinct' | 'conversations' | 'totals'

export interface Cost {
  /** Rows that have to be looked at. */
  rows: number
  /** Of the columns that are read, uncompressed. */
  bytes: number
  seconds: number
  long: boolean
  /** False as long as no such question was answered. */
  measured: boolean
  source: string
  text: string
}

export interface Costs {
  estimate(prepared: Prepared, kind: Kind, run: Run): Promise<Cost>
  /** What a question of this kind has taken. */
  learn(prepared: Prepared, kind: Kind, spent: { rowsRead: number; tookMs: number }): void
}

const LONG_S = 5
/** Rows a second, until it is known: by the number of keys, on two cores. */
const GUESS = [60e6, 30e6, 8e6, 5e6] as const
const DISTINCT_GUESS = 4e6
/** Fewer rows say nothing about speed. */
const ENOUGH_ROWS = 200_000
const SHARE_OF_LATEST = 0.3
/** Bytes of a value in memory. */
const WIDTHS: Readonly<Record<ColumnStorage, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, mac: 8, ip: 16, name: 2 }
/** What any question takes. */
const LEAST_S = 0.02

export function createCosts(): Costs {
  const speeds = new Map<string, number>()

  function keysOf({ dimensions }: Prepared): number {
    return Math.min(3, dimensions.length)
  }

  return {
    async estimate(prepared, kind, run) {
      const { rows, bytes } = await rowsAndBytes(prepared, run)
      const speed = speeds.get(`${kind} ${keysOf(prepared)}`)
      const guess = kind === 'distinct' ? DISTINCT_GUESS : (GUESS[keysOf(prepared)] as number)
      const seconds = Math.round((LEAST_S + (rows * passesOf(prepared, kind)) / (speed ?? guess)) * 100) / 100
      const { source } = readFrom(prepared)
      const amount = `${grouped(rows)} rows (${megabytes(bytes)}) of ${source} have to be looked at`
      return {
        rows,
        bytes,
        seconds,
        long: seconds > LONG_S,
        measured: speed !== undefined,
        source,
        text: `about ${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s: ${amount}`,
      }
    },
    learn(prepared, kind, { rowsRead, tookMs }) {
      if (rowsRead < ENOUGH_ROWS) return
      const key = `${kind} ${keysOf(prepared)}`
      const latest = rowsRead / Math.max(0.005, tookMs / 1000 - LEAST_S)
      const before = speeds.get(key)
      speeds.set(key, before === undefined ? latest : before + (latest - before) * SHARE_OF_LATEST)
    },
  }
}

/** Times that the rows of a range are read: for how they were sampled, for the keys, for each side, for the rest. */
function passesOf({ dimensions }: Prepared, kind: Kind): number {
  const either = dimensions.some((d) => d.sides.length === 2)
  switch (kind) {
    case 'flows':
      return 1
    case 'top':
    case 'matrix':
      return either ? 4 : 2
    case 'series':
      return dimensions.length === 0 ? 2 : either ? 4 : 3
    case 'conversations':
      return 2
    case 'totals':
      return 3
    case 'distinct':
      return either ? 4 : 3
  }
}

async function rowsAndBytes(prepared: Prepared, run: Run): Promise<{ rows: number; bytes: number }> {
  const columns = new Set(['time_received', 'bytes', 'packets', 'sampling_rate'])
  for (const text of textsOf(prepared)) for (const column of columnsIn(text)) columns.add(column)
  const width = COLUMNS.reduce((sum, { name, storage }) => sum + (columns.has(name) ? WIDTHS[storage] : 0), 0)
  let rows = 0
  for (const { table, time } of tablesOf(prepared)) {
    const { rows: parts } = await run.query(`EXPLAIN ESTIMATE SELECT count() FROM ${table} WHERE ${time}`)
    // A table that is spread over servers has no estimate of its own.
    const counted =
      parts.length > 0 ? parts : (await run.query(`SELECT 0, 0, 0, count() FROM ${table} WHERE ${time}`)).rows
    rows += counted.reduce((sum, cells) => sum + Number(cells[3]), 0)
  }
  return { rows, bytes: rows * width }
}

/** @throws OperatorError `query_long` if it would take longer than the client wants to wait */
export function refuseLong(cost: Cost, atMostSeconds: number): void {
  if (cost.seconds <= atMostSeconds) return
  throw new OperatorError('query_long', `this would take ${cost.text}`, {
    hint: 'ask for a shorter time range, or again without atMostSeconds',
  })
}

function grouped(count: number): string {
  return count.toLocaleString('en-US')
}

function megabytes(bytes: number): string {
  return bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.ceil(bytes / 1e6)} MB`
}
