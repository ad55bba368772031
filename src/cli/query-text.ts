import type { DistinctAnswer } from '../api/contract/analysis.ts'
import type { FlowsAnswer, KeyValue, Row, TopAnswer } from '../api/contract/query.ts'
import type { Order } from './query-words.ts'

// Answers as aligned lines for a terminal.

const SCALE = ['', 'k', 'M', 'G', 'T', 'P', 'E']

/** 1234567 → `1.23 M`: three digits, powers of 1000. Whole numbers below 1000 stay as they are. */
export function scaled(value: number): string {
  let power = 0
  let rest = Math.abs(value)
  while (rest >= 999.5 && power < SCALE.length - 1) {
    rest /= 1000
    power++
  }
  const digits = power === 0 && Number.isInteger(rest) ? 0 : rest >= 99.95 ? 0 : rest >= 9.995 ? 1 : 2
  return `${value < 0 ? '-' : ''}${rest.toFixed(digits)}${power === 0 ? '' : ` ${SCALE[power]}`}`
}

/** `12.3 %` of the whole. */
function share(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(1)} %` : ''
}

/** `exact`, `± 0.4 %`, or where the interval is wide or lopsided, its ends. */
function between(row: Row, order: Order): string {
  if (row.low === row.high) return 'exact'
  const half = Math.max(row.high - row[order], row[order] - row.low) / row[order]
  return half < 0.1 ? `± ${(100 * half).toFixed(half < 0.01 ? 2 : 1)} %` : `${scaled(row.low)} … ${scaled(row.high)}`
}

/** A table of a top, with the rest and the total below. */
export function topText(
  answer: TopAnswer,
  order: Order,
  from: number,
  to: number,
  options: { readonly quiet?: boolean; readonly full?: boolean } = {},
): string {
  const figure = options.full ? (value: number): string => String(Math.round(value)) : scaled
  const isShare = answer.rows.some((row) => row.share !== undefined)
  const header = [
    ...answer.columns,
    ...['flows', '', 'packets', '', 'bytes', '', 'bit/s'],
    ...(isShare ? ['of link', 'link bit/s'] : []),
    `95 % of ${order}`,
  ]
  const line = (labels: readonly string[], row: Row): string[] => [
    ...labels,
    figure(row.flows),
    share(row.flows, answer.total.flows),
    figure(row.packets),
    share(row.packets, answer.total.packets),
    figure(row.bytes),
    share(row.bytes, answer.total.bytes),
    // Of one moment there is no rate.
    to - from > 1 ? figure((row.bytes * 8000) / (to - from)) : '–',
    ...(isShare ? linkCells(row, figure) : []),
    between(row, order),
  ]
  const label = (name: string): string[] => answer.columns.map((_, i) => (i === 0 ? name : ''))
  const body = answer.rows.map((row) =>
    line(
      answer.columns.map((name) => shown(row.key[name] ?? null)),
      row,
    ),
  )
  // One total is there even where no flows are.
  if (answer.columns.length === 0 && body.length === 0) body.push(line([], answer.total))
  if (options.quiet) return aligned(undefined, body, answer.columns.length)
  if (answer.other) body.push(line(label(`other (${answer.groups - answer.rows.length})`), answer.other))
  if (answer.columns.length > 0) body.push(line(label('total'), answer.total))
  const title = answer.columns.length === 0 ? 'Total' : `Top ${answer.rows.length} of ${answer.groups} by ${order}`
  return `${title}, ${range(from, to)}\n${aligned(header, body, answer.columns.length)}${footer(answer)}`
}

/** How full the interface was, and its speed; a dash where nobody has told that. */
function linkCells({ share: part, speed }: Row, figure: (value: number) => string): string[] {
  if (part === undefined) return ['', '']
  return part === null || speed === null || speed === undefined
    ? ['–', '–']
    : [`${(100 * part.value).toFixed(part.value < 0.01 ? 3 : 1)} %`, figure(speed)]
}

/** How many different values each group has; where sampling may have missed some, up to how many there may be. */
export function distinctText(
  answer: DistinctAnswer,
  from: number,
  to: number,
  options: { readonly quiet?: boolean; readonly full?: boolean } = {},
): string {
  const figure = options.full ? (value: number): string => String(Math.round(value)) : scaled
  const header = [...answer.columns, ...answer.of, 'flows', 'packets', 'bytes']
  const body = answer.rows.map((row) => [
    ...answer.columns.map((name) => shown(row.key[name] ?? null)),
    ...answer.of.map((name) => {
      const { value = 0, high = 0 } = row.distinct[name] ?? {}
      return high > value ? `${figure(value)} … ${figure(high)}` : figure(value)
    }),
    ...[row.flows, row.packets, row.bytes].map(figure),
  ])
  const text = aligned(options.quiet ? undefined : header, body, answer.columns.length)
  if (options.quiet) return text
  return `Top ${answer.rows.length} of ${answer.groups} by different ${answer.of[0]}, ${range(from, to)}\n${text}${footer(answer)}`
}

/** The rows themselves, one a line. */
export function flowsText(
  answer: FlowsAnswer,
  from: number,
  to: number,
  order?: string,
  options: { readonly quiet?: boolean } = {},
): string {
  const body = answer.rows.map((row) =>
    row.map((cell, i) => (answer.columns[i]?.format === 'time' ? clockText(Number(cell)) : shown(cell))),
  )
  const left = answer.columns.findIndex((column) => column.format === 'bytes' || column.format === 'packets')
  const columns = left < 0 ? answer.columns.length : left
  if (options.quiet) return aligned(undefined, body, columns)
  const more = answer.more ? 'There are more: ask for them by -n.\n' : ''
  return `${answer.rows.length} flows, ${order === undefined ? 'newest first' : `by ${order}`}, ${range(from, to)}; bytes and packets as observed\n${aligned(
    answer.columns.map((c) => c.name),
    body,
    columns,
  )}${more}${footer(answer)}`
}

function footer(answer: {
  source: string
  rowsRead: number
  tookMs: number
  samplingRates: readonly number[]
  notes?: readonly string[]
}): string {
  const rates = answer.samplingRates.filter((rate) => rate > 1)
  const all = rates.length === answer.samplingRates.length ? '' : ', some not at all'
  const sampling =
    rates.length === 0
      ? 'nothing sampled'
      : `sampled 1 in ${rates.length > 6 ? `${rates[0]} to ${rates[rates.length - 1]}` : rates.join(', ')}${all}`
  return `${scaled(answer.rowsRead)} rows of ${answer.source} read in ${Math.round(answer.tookMs)} ms; ${sampling}\n${(answer.notes ?? []).map((note) => `${note}\n`).join('')}`
}

/** A value for a terminal. */
export function shown(value: KeyValue): string {
  // Control characters of a name could rewrite the terminal.
  return value === '' || value === null ? '–' : String(value).replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '?')
}

/** UTC, to the millisecond. */
export function clockText(millis: number): string {
  return millis === 0 ? '–' : new Date(millis).toISOString().replace('T', ' ').slice(0, -1)
}

function range(from: number, to: number): string {
  return `${clockText(from).slice(0, -4)} to ${clockText(to).slice(0, -4)} UTC`
}

/** Columns as wide as their cells: the first `left` to the left, the others to the right. */
function aligned(header: readonly string[] | undefined, body: readonly (readonly string[])[], left: number): string {
  const all = header ? [header, ...body] : body
  const widths = (all[0] ?? []).map((_, i) => all.reduce((most, cells) => Math.max(most, (cells[i] ?? '').length), 0))
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, i) => (i < left ? cell.padEnd(widths[i] as number) : cell.padStart(widths[i] as number)))
      .join('  ')
      .trimEnd()
  return all.map((cells) => `${line(cells)}\n`).join('')
}
