// The tooltip of a chart over time: a sorted table with intervals and the total. Built from nodes, so that no name is ever read as HTML.
import { errorText, rateText } from '../figures/units.ts'
import type { MetricName } from '../figures/units.ts'
import { clockText, momentText } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'
import { addUp } from './layers.ts'
import type { Layer } from './layers.ts'
import { eventsIn } from './marks.ts'
import type { Mark } from './marks.ts'

const MOST_EVENTS = 4

export interface TipFrame {
  readonly metric: MetricName
  readonly times: readonly number[]
  readonly step: number
  readonly zone: Zone
  readonly complete: number
  /** The first bucket that is all kept. */
  readonly first: number
  readonly layers: readonly Layer[]
  /** True if the layers are parts of one whole, whose total says something. */
  readonly adds: boolean
  readonly colour: (layer: Layer) => string
  /** The total of an earlier time, bucket by bucket. */
  readonly before?: readonly (number | null)[] | undefined
  /** What happened beside it. */
  readonly marks?: readonly Mark[] | undefined
}

function element(tag: string, className: string, text?: string): HTMLElement {
  const node = document.createElement(tag)
  if (className !== '') node.className = className
  if (text !== undefined) node.textContent = text
  return node
}

/** `13:20 – 13:21`, and the same in UTC where that differs. */
export function bucketText(start: number, step: number, zone: Zone): { local: string; utc: string } {
  const seconds = step < 60
  const end = start + step * 1000
  const day = step >= 3600 ? momentText(start, zone) : clockText(start, zone, seconds)
  return {
    local: `${day} – ${clockText(end, zone, seconds)}`,
    utc: zone === 'utc' ? 'UTC' : `${clockText(start, 'utc', seconds)} UTC`,
  }
}

function line(
  frame: TipFrame,
  name: string,
  colour: string | undefined,
  value: number | null,
  low: number | null,
  high: number | null,
): HTMLElement {
  const row = element('tr', colour === undefined ? 'sum' : '')
  const first = element('td', '')
  if (colour !== undefined) {
    const swatch = element('span', 'swatch')
    swatch.style.background = colour
    first.append(swatch)
  }
  first.append(name)
  row.append(first, element('td', '', rateText(frame.metric, value)))
  row.append(element('td', '', value === null || low === null || high === null ? '' : errorText(value, low, high)))
  return row
}

export function tooltipNode(frame: TipFrame, index: number): HTMLElement {
  const box = element('div', 'tip')
  const head = element('div', 'tip-head')
  const text = bucketText(frame.times[index] ?? 0, frame.step, frame.zone)
  head.append(
    text.local,
    element('span', '', index >= frame.complete || index < frame.first ? `${text.utc} · not complete` : text.utc),
  )
  const table = element('table', '')
  const at = (layer: Layer) => layer.values[index] ?? null
  const sorted = [...frame.layers].sort((a, b) => Number(a.other) - Number(b.other) || (at(b) ?? -1) - (at(a) ?? -1))
  for (const layer of sorted)
    table.append(
      line(frame, layer.name, frame.colour(layer), at(layer), layer.low[index] ?? null, layer.high[index] ?? null),
    )
  if (frame.adds && frame.layers.length > 1) {
    const total = addUp(
      frame.layers.map(({ values, low, high }) => ({
        values: [values[index] ?? null],
        low: [low[index] ?? null],
        high: [high[index] ?? null],
      })),
      1,
    )
    table.append(line(frame, 'total', undefined, total.values[0] ?? null, total.low[0] ?? null, total.high[0] ?? null))
  }
  if (frame.before) table.append(line(frame, 'before', undefined, frame.before[index] ?? null, null, null))
  box.append(head, table)
  const events = eventsIn(frame.marks ?? [], frame.times[index] ?? 0, frame.step)
  for (const { at, text } of events.slice(0, MOST_EVENTS))
    box.append(element('div', 'tip-event', `${clockText(at, frame.zone, true)} ${text}`))
  if (events.length > MOST_EVENTS) box.append(element('div', 'tip-event', `and ${events.length - MOST_EVENTS} more`))
  return box
}
