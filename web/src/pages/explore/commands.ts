// The question of a view as a command and as an API call: each gives what is on the screen.
import type { Bounds, Span } from '../../time/span.ts'
import { durationCode, shiftOf } from '../../time/span.ts'
import { isRough } from '../../api/rough.ts'
import type { View } from '../../url/search.ts'
import { listOrder } from '../../flows/list.ts'
import { countedFirst, limitOf, measureOf, plainMeasure } from './asked.ts'

/** In single quotes for a POSIX shell. */
export function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`
}

const iso = (ms: number) => new Date(ms).toISOString()

/** nfdump's words for the orders of a list. */
const LIST_ORDERS: Readonly<Record<string, string>> = { start: 'tstart', end: 'tend' }

/**
 * @param span what is asked each time anew ("the last hour"), or the very bounds of what is shown
 */
export function asCommand(view: View, span: Span, origin: string): string {
  const width = span.kind === 'last' ? span.ms : span.to - span.from
  return [
    'vnetscope query',
    shellQuoted(view.filter === '' ? 'any' : view.filter),
    ...whatWords(view),
    `-n ${limitOf(view)}`,
    ...(isRough(callKind(view), width, view.exact) ? ['--rough'] : []),
    span.kind === 'last' ? `--last ${durationCode(span.ms)}` : `--from ${iso(span.from)} --to ${iso(span.to)}`,
    `--url ${shellQuoted(origin)}`,
  ].join(' ')
}

/** What is asked for: a list, counts, or sums by group. */
function whatWords(view: View): string[] {
  if (view.chart === 'flows') {
    const order = listOrder(view.sort)
    return [
      ...(order === undefined ? [] : [`-O ${LIST_ORDERS[order] ?? order}`]),
      ...(view.columns.length === 0 ? [] : [`--columns ${view.columns.join(',')}`]),
    ]
  }
  const by = `-A ${view.by.length === 0 ? 'none' : view.by.join(',')}`
  if (view.chart === 'distinct') {
    const first = countedFirst(view)
    return [by, `--distinct ${[first, ...view.of.filter((name) => name !== first)].join(',')}`]
  }
  const { metric, unit } = view.chart === 'sankey' ? plainMeasure(measureOf(view)) : measureOf(view)
  return [by, ...(metric === 'bytes' ? [] : [`-O ${metric}`]), ...(unit === undefined ? [] : [`--unit ${unit}`])]
}

function callKind(view: View): 'flows' | 'distinct' | 'top' {
  return view.chart === 'flows' || view.chart === 'distinct' ? view.chart : 'top'
}

export interface Call {
  readonly kind: 'top' | 'series' | 'matrix' | 'flows' | 'distinct'
  readonly body: Readonly<Record<string, unknown>>
}

/** What the page asks the server, to be asked again by anyone. */
export function callOf(view: View, bounds: Bounds, step: number | undefined): Call {
  const range = {
    from: iso(bounds.from),
    to: iso(bounds.to),
    ...(view.filter === '' ? {} : { filter: view.filter }),
  }
  const limit = limitOf(view)
  if (view.chart === 'flows') {
    const order = listOrder(view.sort)
    return {
      kind: 'flows',
      body: {
        ...range,
        ...(view.columns.length === 0 ? {} : { by: view.columns }),
        ...(order === undefined ? {} : { order }),
        limit,
      },
    }
  }
  if (view.chart === 'distinct')
    return { kind: 'distinct', body: { ...range, by: view.by, of: view.of, orderBy: countedFirst(view), limit } }
  const previous = shiftOf(view.versus, bounds.to - bounds.from, step ?? 1)
  const rough = isRough('top', bounds.to - bounds.from, view.exact) ? { exact: false } : {}
  const body = {
    ...range,
    ...rough,
    by: view.by,
    ...measureOf(view),
    limit,
    ...(previous === undefined ? {} : { previous }),
  }
  if (view.chart === 'table' || step === undefined) return { kind: 'top', body }
  return view.chart === 'sankey' && view.by.length >= 2
    ? { kind: 'matrix', body: { ...range, ...rough, by: view.by.slice(0, 5), ...plainMeasure(measureOf(view)), limit } }
    : { kind: 'series', body: { ...body, step } }
}

export function asCall({ kind, body }: Call, origin: string): string {
  return `curl -s ${shellQuoted(`${origin}/api/v1/query/${kind}`)} -H 'content-type: application/json' \\\n  -d ${shellQuoted(JSON.stringify(body))}`
}
