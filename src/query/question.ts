import { UserError } from '../base/errors.ts'
import { dimensionNamed, type Dimension } from './dimensions.ts'
import { mentions } from './filter/ast.ts'
import { expandFilter } from './filter/expand.ts'
import { parsedFilter } from './filter/parse.ts'
import type { Condition } from './filter/condition-tree.ts'
import { conditionOf } from './filter/condition.ts'
import { Params, conditionSql, type FilterSqlOptions } from './filter/sql.ts'
import { FilterError } from './filter/problem.ts'
import type { Measured, Metric } from './measure.ts'
import { rowsSql, timeSql, type Range } from './source.ts'
import type { Unit } from './units.ts'

// A question as it is asked → what all statements of its answer share.

/** Order of a list of flows. */
export type FlowOrder = 'received' | 'start' | 'end' | 'duration' | 'bytes' | 'packets' | 'pps' | 'bps' | 'bpp'

export interface Asked {
  readonly from: string | number
  readonly to: string | number
  readonly filter?: string | undefined
  readonly by?: readonly string[] | undefined
  readonly metric?: Metric | undefined
  readonly order?: FlowOrder | undefined
  readonly limit?: number | undefined
  readonly step?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly id?: string | undefined
  readonly uncounted?: boolean | undefined
  /** Milliseconds back: the same span before the range, beside it. */
  readonly previous?: number | undefined
  readonly unit?: Unit | undefined
  /** False if rare addresses and ports of long ranges may be put together. Default true. */
  readonly exact?: boolean | undefined
  /** Not to be run if it is expected to take longer. */
  readonly atMostSeconds?: number | undefined
}

export interface Prepared extends Measured, Range {
  readonly dimensions: readonly Dimension[]
  /** Dimensions whose different values are counted. */
  readonly counted?: readonly Dimension[]
  /** Condition without the time range. */
  readonly condition: string
  /** The same as a tree. */
  readonly tests: Condition
  readonly params: Params
}

const YEAR = 366 * 86_400_000
const LONGEST = 20 * YEAR

/** ISO 8601 (UTC unless it says otherwise) or milliseconds → milliseconds. @throws UserError */
export function moment(value: string | number, name: string): number {
  const text = String(value).trim()
  const number = /^\d{1,16}(\.\d+)?$/.test(text) ? Number(text) : Number.NaN
  const iso = /^\d{4}-\d{2}-\d{2}/.test(text)
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(text) || !text.includes(':')
  const millis = Number.isNaN(number)
    ? iso
      ? Date.parse(zoned ? text : `${text.replace(' ', 'T')}Z`)
      : Number.NaN
    : number
  if (!Number.isFinite(millis) || millis < 0 || millis > 8.64e15) {
    throw new UserError(`“${text.slice(0, 60)}” is not a time for “${name}”`, {
      hint: 'give ISO 8601, such as 2026-03-01T14:00:00Z, or milliseconds since 1970',
    })
  }
  return Math.floor(millis)
}

/** Reads the question. @throws UserError, FilterError */
export function prepare(asked: Asked, options: FilterSqlOptions): Prepared {
  const from = moment(asked.from, 'from')
  const to = moment(asked.to, 'to')
  if (to <= from) throw new UserError('the range ends before it begins: “to” must be later than “from”')
  if (to - from > LONGEST) throw new UserError('the range is longer than 20 years', { hint: 'ask for less at once' })
  const params = new Params()
  const tree = expandFilter(parsedFilter(asked.filter ?? ''), options)
  const tests = conditionOf(tree, options)
  const filter = conditionSql(tests, params)
  if (params.comparisons > MAX_COMPARISONS) throw tooMany(params.comparisons, asked.filter ?? '')
  const isAll = asked.uncounted === true || mentions(tree, 'counted')
  const condition = [...(isAll ? [] : ['counted']), ...(filter === '1' ? [] : [`(${filter})`])].join(' AND ')
  const by = [...new Set(asked.by ?? [])]
  return {
    from,
    to,
    metric: asked.metric ?? 'bytes',
    unit: asked.unit ?? 'observed',
    dimensions: by.map(dimensionNamed),
    condition,
    tests: isAll ? tests : { kind: 'all', of: [COUNTED, tests] },
    params,
  }
}

/** Each takes the store a third of a millisecond and more to plan, in each of the two to eight places in which a question has its filter. */
export const MAX_COMPARISONS = 1000

function tooMany(comparisons: number, filter: string): FilterError {
  return new FilterError({
    message: `this filter asks ${comparisons} things of each flow; ${MAX_COMPARISONS} are taken`,
    position: 0,
    length: filter.length,
    expected: [],
    hint: 'tests that differ in their addresses, numbers or names alone are taken together: say more of it in the same form, or in lists such as ip in [ … ]',
  })
}

const COUNTED: Condition = { kind: 'equal', of: 'counted', values: [true] }

/** The WHERE of a statement over the flows of the range, by receipt time: the order in which the table lies. */
export function where(prepared: Prepared, from = prepared.from, to = prepared.to): string {
  return [timeSql([{ from, to }]), prepared.condition].filter((part) => part !== '').join(' AND ')
}

/** What follows FROM: wherever the question is read. */
export function rowsOf(prepared: Prepared, more = ''): string {
  return rowsSql(prepared.reading, prepared, prepared.condition, more)
}
