// What a page shows is held by the URL as plain text: ?last=6h&by=src_vm,dst_port&filter=proto+tcp&metric=packets

import type { MetricName } from '../figures/units.ts'
import { durationCode, parseDuration } from '../time/span.ts'
import type { Bounds, Span, Versus } from '../time/span.ts'

export type Search = Readonly<Record<string, string>>

export function parseSearch(text: string): Search {
  return Object.fromEntries(new URLSearchParams(text))
}

export function stringifySearch(search: Readonly<Record<string, unknown>>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(search)) {
    if (typeof value === 'string' && value !== '') params.set(name, value)
  }
  // Commas, colons and slashes are legal in a query, and far easier to read.
  const text = params.toString().replace(/%2C/g, ',').replace(/%3A/g, ':').replace(/%2F/g, '/')
  return text === '' ? '' : `?${text}`
}

/** Keeps the text values of whatever the router hands over; anything else is dropped. */
export function plainSearch(raw: Readonly<Record<string, unknown>>): Record<string, string> {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(raw)) {
    if (typeof value === 'string') kept[name] = value
    else if (typeof value === 'number' || typeof value === 'boolean') kept[name] = String(value)
  }
  return kept
}

/** The time asked for, or undefined if the URL names none that makes sense. */
export function spanOf(search: Search): Span | undefined {
  const last = search['last'] === undefined ? undefined : parseDuration(search['last'])
  if (last !== undefined) return { kind: 'last', ms: last }
  const from = momentFrom(search['from'])
  const to = momentFrom(search['to'])
  return from !== undefined && to !== undefined && to > from ? { kind: 'between', from, to } : undefined
}

function momentFrom(text: string | undefined): number | undefined {
  if (text === undefined || text === '') return undefined
  const ms = /^\d+$/.test(text) ? Number(text) : Date.parse(text)
  return Number.isNaN(ms) ? undefined : ms
}

/** The search parameters that name a span; those of the other kind are emptied. */
export function spanSearch(span: Span): { last: string; from: string; to: string } {
  if (span.kind === 'last') return { last: durationCode(span.ms), from: '', to: '' }
  const iso = (ms: number) => new Date(Math.round(ms / 1000) * 1000).toISOString().replace('.000', '')
  return { last: '', from: iso(span.from), to: iso(span.to) }
}

/** The same page with its time fixed. */
export function fixedUrl(url: string, { from, to }: Bounds): string {
  const [base = '', search = ''] = url.split('?')
  return base + stringifySearch({ ...parseSearch(search), ...spanSearch({ kind: 'between', from, to }) })
}

export type ChartKind = 'stacked' | 'lines' | 'heat' | 'sankey' | 'table' | 'distinct' | 'flows'
export const CHART_KINDS: readonly ChartKind[] = ['stacked', 'lines', 'heat', 'sankey', 'table', 'distinct', 'flows']
export const METRICS: readonly MetricName[] = ['bytes', 'packets', 'flows', 'share']
/** What bytes count: what the exporters told, frames, or IP packets. */
export type Unit = 'observed' | 'l2' | 'l3'
const UNITS: readonly Unit[] = ['observed', 'l2', 'l3']

const VERSUS: readonly Versus[] = ['none', 'before', 'day', 'week']

/** What Explore asks. */
export interface View {
  readonly filter: string
  readonly by: readonly string[]
  readonly metric: MetricName
  readonly unit: Unit
  readonly chart: ChartKind
  readonly top: number
  readonly sort: Sort | undefined
  readonly versus: Versus
  /** Columns of the list of flows; empty for the usual ones. */
  readonly columns: readonly string[]
  /** Dimensions whose different values are counted. */
  readonly of: readonly string[]
  /** True if over long times the rare ones are counted each, not with the rest. */
  readonly exact: boolean
}

export interface Sort {
  readonly column: string
  readonly descending: boolean
}

export const DEFAULT_VIEW: View = {
  filter: '',
  by: ['vlan'],
  metric: 'bytes',
  unit: 'observed',
  chart: 'stacked',
  top: 7,
  sort: undefined,
  versus: 'none',
  columns: [],
  of: ['dst_addr', 'dst_port'],
  exact: false,
}
const MOST_COUNTED = 4
export const TOPS: readonly number[] = [5, 7, 10, 20, 50, 100]
const MOST_GROUPS = 100

function oneOf<T extends string>(values: readonly T[], text: string | undefined, otherwise: T): T {
  return values.find((value) => value === text) ?? otherwise
}

export function readSort(text: string | undefined): Sort | undefined {
  if (text === undefined || text === '') return undefined
  return text.startsWith('-') ? { column: text.slice(1), descending: true } : { column: text, descending: false }
}

export function writeSort(sort: Sort | undefined): string {
  return sort === undefined ? '' : `${sort.descending ? '-' : ''}${sort.column}`
}

const MOST_DIMENSIONS = 8
const MOST_COLUMNS = 64

/** Names with commas between; what can't be a name is left out, and so is what comes twice. */
export function namesIn(text: string | undefined, most = MOST_COLUMNS): readonly string[] {
  return [...new Set((text ?? '').split(',').filter((name) => /^[a-z][a-z0-9_]*$/.test(name)))].slice(0, most)
}

function dimensionsOf(text: string | undefined): readonly string[] {
  if (text === undefined || text === '') return DEFAULT_VIEW.by
  return text === 'none' ? [] : namesIn(text, MOST_DIMENSIONS)
}

export function readView(search: Search): View {
  const top = Number(search['top'])
  return {
    filter: search['filter'] ?? DEFAULT_VIEW.filter,
    by: dimensionsOf(search['by']),
    metric: oneOf(METRICS, search['metric'], DEFAULT_VIEW.metric),
    unit: oneOf(UNITS, search['unit'], DEFAULT_VIEW.unit),
    chart: oneOf(CHART_KINDS, search['chart'], DEFAULT_VIEW.chart),
    top: Number.isInteger(top) && top >= 1 && top <= MOST_GROUPS ? top : DEFAULT_VIEW.top,
    sort: readSort(search['sort']),
    versus: oneOf(VERSUS, search['versus'], DEFAULT_VIEW.versus),
    columns: namesIn(search['columns']),
    of: search['of'] === undefined || search['of'] === '' ? DEFAULT_VIEW.of : namesIn(search['of'], MOST_COUNTED),
    exact: search['exact'] === 'yes',
  }
}

/** The search parameters of a view; what is as usual is left out, so that URLs stay short. */
export function writeView(view: View): Record<string, string> {
  const by = view.by.join(',')
  return {
    filter: view.filter,
    by: by === DEFAULT_VIEW.by.join(',') ? '' : by === '' ? 'none' : by,
    metric: view.metric === DEFAULT_VIEW.metric ? '' : view.metric,
    unit: view.unit === DEFAULT_VIEW.unit ? '' : view.unit,
    chart: view.chart === DEFAULT_VIEW.chart ? '' : view.chart,
    top: view.top === DEFAULT_VIEW.top ? '' : String(view.top),
    sort: writeSort(view.sort),
    versus: view.versus === DEFAULT_VIEW.versus ? '' : view.versus,
    columns: view.columns.join(','),
    of: view.of.join(',') === DEFAULT_VIEW.of.join(',') ? '' : view.of.join(','),
    exact: view.exact ? 'yes' : '',
  }
}

/** Where the URL of a saved view leads: its own time, or none, not the one that is shown now. */
export function viewTarget(url: string): { readonly to: string; readonly search: Readonly<Record<string, string>> } {
  const [path = '/', search = ''] = url.split('?')
  return { to: path, search: { last: '', from: '', to: '', ...parseSearch(search) } }
}
