// The stretch of time a page shows: the last so long, or between two moments; as typed, as in the URL, as words.
import { clockText, dayText, momentOf, momentText, wallOf } from './zone.ts'
import type { Zone } from './zone.ts'

export type Span =
  | { readonly kind: 'last'; readonly ms: number }
  | { readonly kind: 'between'; readonly from: number; readonly to: number }

export interface Bounds {
  readonly from: number
  readonly to: number
}

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const UNITS: Readonly<Record<string, number>> = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY }

export const PRESETS: readonly string[] = ['5m', '15m', '1h', '3h', '6h', '12h', '1d', '2d', '7d', '30d']

const UNIT_WORDS: readonly [RegExp, string][] = [
  [/^(s|secs?|seconds?)$/, 's'],
  [/^(m|mins?|minutes?)$/, 'm'],
  [/^(h|hrs?|hours?)$/, 'h'],
  [/^(d|days?)$/, 'd'],
  [/^(w|weeks?)$/, 'w'],
]

/** `6h`, `90 min`, `2 days` in milliseconds; undefined if it is none. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]+)$/.exec(text.trim().toLowerCase())
  const unit = UNIT_WORDS.find(([words]) => words.test(match?.[2] ?? ''))?.[1]
  const size = unit === undefined ? undefined : UNITS[unit]
  const ms = size === undefined ? 0 : Number(match?.[1]) * size
  return ms >= SECOND ? ms : undefined
}

/** `6h` for 6 hours: the largest unit that divides it. */
export function durationCode(ms: number): string {
  for (const unit of ['w', 'd', 'h', 'm'] as const) {
    const size = UNITS[unit] ?? 1
    if (ms % size === 0 && !(unit === 'w' && ms < 14 * DAY)) return `${ms / size}${unit}`
  }
  return `${Math.round(ms / SECOND)}s`
}

export function boundsOf(span: Span, now: number): Bounds {
  return span.kind === 'last' ? { from: now - span.ms, to: now } : { from: span.from, to: span.to }
}

const LONG_UNITS: Readonly<Record<string, string>> = { s: 'second', m: 'minute', h: 'hour', d: 'day', w: 'week' }

export function spanText(span: Span, now: number, zone: Zone): string {
  if (span.kind === 'last') {
    const code = durationCode(span.ms)
    const count = Number.parseInt(code, 10)
    const word = LONG_UNITS[code.at(-1) ?? 's'] ?? 'second'
    return count === 1 ? `Last ${word}` : `Last ${count} ${word}s`
  }
  const seconds = span.to - span.from < 10 * MINUTE
  const sameDay = dayText(span.from, zone) === dayText(span.to, zone)
  const day = dayText(span.from, zone) === dayText(now, zone) && sameDay ? '' : `${dayText(span.from, zone)} `
  const end = sameDay ? clockText(span.to, zone, seconds) : momentText(span.to, zone, seconds)
  return `${day}${clockText(span.from, zone, seconds)} – ${end}`
}

const WEEKDAYS = ['sunday', 'monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday']

interface Point {
  /** Start of the day that is meant, if one was named. */
  readonly day: number | undefined
  /** Milliseconds into the day, if a time was named. */
  readonly clock: number | undefined
  readonly exact?: number
}

function startOfDay(ms: number, zone: Zone, shift = 0): number {
  const w = wallOf(ms, zone)
  return momentOf(zone, w.year, w.month, w.day + shift)
}

function parseDay(word: string, now: number, zone: Zone): number | undefined {
  if (word === 'today') return startOfDay(now, zone)
  if (word === 'yesterday') return startOfDay(now, zone, -1)
  const weekday = word.length >= 3 ? WEEKDAYS.findIndex((name) => name.startsWith(word)) : -1
  if (weekday >= 0) return startOfDay(now, zone, -((wallOf(now, zone).weekday - weekday + 7) % 7))
  const date = /^(\d{4})-(\d{1,2})-(\d{1,2})$/.exec(word)
  if (!date) return undefined
  const [year, month, day] = [Number(date[1]), Number(date[2]) - 1, Number(date[3])]
  const ms = momentOf(zone, year, month, day)
  const back = wallOf(ms, zone)
  return back.month === month && back.day === day ? ms : undefined
}

function parseClock(word: string): number | undefined {
  if (word === 'noon') return 12 * HOUR
  if (word === 'midnight') return 0
  const match = /^(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?(am|pm)?$/.exec(word)
  if (!match || (match[2] === undefined && match[4] === undefined)) return undefined
  let hour = Number(match[1])
  if (match[4] !== undefined && (hour < 1 || hour > 12)) return undefined
  if (match[4] === 'pm' && hour < 12) hour += 12
  if (match[4] === 'am' && hour === 12) hour = 0
  const [minute, second] = [Number(match[2] ?? 0), Number(match[3] ?? 0)]
  if (hour > 24 || minute > 59 || second > 59 || (hour === 24 && minute + second > 0)) return undefined
  return hour * HOUR + minute * MINUTE + second * SECOND
}

function parsePoint(text: string, now: number, zone: Zone): Point | undefined {
  const trimmed = text.trim()
  if (trimmed === 'now') return { day: undefined, clock: undefined, exact: now }
  const ago = /^(.+) ago$/.exec(trimmed)
  const back = ago ? parseDuration(ago[1] ?? '') : undefined
  if (back !== undefined) return { day: undefined, clock: undefined, exact: now - back }
  if (/^\d{4}-\d{2}-\d{2}t\d{2}:\d{2}.*(z|[+-]\d{2}:\d{2})$/.test(trimmed)) {
    const exact = Date.parse(trimmed.toUpperCase())
    return Number.isNaN(exact) ? undefined : { day: undefined, clock: undefined, exact }
  }
  let day: number | undefined
  let clock: number | undefined
  for (const word of trimmed.replace(/^(\d{4}-\d{2}-\d{2})t/, '$1 ').split(/[\s,]+/)) {
    if (word === 'at') continue
    const asDay = parseDay(word, now, zone)
    const asClock = parseClock(word)
    if (asDay !== undefined && day === undefined) day = asDay
    else if (asClock !== undefined && clock === undefined) clock = asClock
    else return undefined
  }
  return { day, clock }
}

/** The moment of a point; a time of day without a day belongs to `day`. */
function resolve(point: Point, day: number, zone: Zone): number {
  if (point.exact !== undefined) return point.exact
  const w = wallOf(point.day ?? day, zone)
  return momentOf(zone, w.year, w.month, w.day, 0, 0, (point.clock ?? 0) / SECOND)
}

function between(fromText: string, toText: string, now: number, zone: Zone): Span | undefined {
  const first = parsePoint(fromText, now, zone)
  const last = parsePoint(toText, now, zone)
  if (!first || !last) return undefined
  const today = startOfDay(now, zone)
  const from = resolve(first, today, zone)
  const lastDay = last.day ?? startOfDay(from, zone)
  const wholeDay = last.exact === undefined && last.clock === undefined
  let to = wholeDay ? startOfDay(lastDay, zone, 1) : resolve(last, lastDay, zone)
  // "22:00 to 02:00" goes over midnight.
  if (to <= from && last.day === undefined && last.exact === undefined)
    to = startOfDay(to, zone, 1) + (to - startOfDay(to, zone))
  return to > from ? { kind: 'between', from, to } : undefined
}

/**
 * Reads what people type for a time: `6h`, `last 2 days`, `yesterday`, `yesterday 14:00 to 16:00`, `since 09:00`,
 * `monday 10:00 - 12:00`, `2026-11-20 to 2026-11-21`, ISO 8601. Undefined if it can't be understood.
 */
export function parseSpan(text: string, now: number, zone: Zone): Span | undefined {
  const asked = text.trim().toLowerCase().replace(/\s+/g, ' ')
  const last = parseDuration(asked.replace(/^(the )?(last|past) (?=[a-z]+$)/, '1 ').replace(/^(the )?(last|past) /, ''))
  if (last !== undefined) return { kind: 'last', ms: last }
  const since = /^(?:since|from) ((?:(?! to ).)+)$/.exec(asked)
  if (since) {
    const span = between(since[1] ?? '', 'now', now, zone)
    return span
  }
  const parts = asked.replace(/^(from|between) /, '').split(/ (?:to|until|till|and) | ?[–—] ?| - |(?<=:\d\d)-(?=\d)/)
  if (parts.length === 2) return between(parts[0] ?? '', parts[1] ?? '', now, zone)
  const day = parts.length === 1 ? parseDay(asked, now, zone) : undefined
  return day === undefined
    ? undefined
    : { kind: 'between', from: day, to: Math.min(startOfDay(day, zone, 1), Math.max(now, day + MINUTE)) }
}

const STEPS = [5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400]

/** Seconds in a bucket, round for people, for at most about `points` points. */
export function stepFor(bounds: Bounds, points = 100): number {
  const seconds = (bounds.to - bounds.from) / SECOND
  return STEPS.find((step) => seconds / step <= points) ?? 86_400
}

/** Moves the start down to a whole bucket, so that the first one is complete. */
export function aligned(bounds: Bounds, step: number): Bounds {
  const ms = step * SECOND
  return { from: Math.floor(bounds.from / ms) * ms, to: bounds.to }
}

/** Beside what an answer is put: nothing, the time just before, the same time a day or a week before. */
export type Versus = 'none' | 'before' | 'day' | 'week'

/** How many milliseconds before that other time lies: whole buckets, so that one lies under the other. */
export function shiftOf(versus: Versus, widthMs: number, stepSeconds: number): number | undefined {
  if (versus === 'none') return undefined
  const least = versus === 'before' ? widthMs : versus === 'day' ? DAY : 7 * DAY
  const step = Math.max(1, stepSeconds) * SECOND
  return Math.ceil(least / step) * step
}
