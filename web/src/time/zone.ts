// Wall-clock arithmetic in the viewer's zone or in UTC.

export type Zone = 'local' | 'utc'

export interface Wall {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  readonly weekday: number
}

export function wallOf(ms: number, zone: Zone): Wall {
  const d = new Date(ms)
  return zone === 'utc'
    ? {
        year: d.getUTCFullYear(),
        month: d.getUTCMonth(),
        day: d.getUTCDate(),
        hour: d.getUTCHours(),
        minute: d.getUTCMinutes(),
        second: d.getUTCSeconds(),
        weekday: d.getUTCDay(),
      }
    : {
        year: d.getFullYear(),
        month: d.getMonth(),
        day: d.getDate(),
        hour: d.getHours(),
        minute: d.getMinutes(),
        second: d.getSeconds(),
        weekday: d.getDay(),
      }
}

export function momentOf(
  zone: Zone,
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
  second = 0,
): number {
  return zone === 'utc'
    ? Date.UTC(year, month, day, hour, minute, second)
    : new Date(year, month, day, hour, minute, second).getTime()
}

const two = (n: number) => String(n).padStart(2, '0')

/** `2026-11-22` */
export function dayText(ms: number, zone: Zone): string {
  const w = wallOf(ms, zone)
  return `${w.year}-${two(w.month + 1)}-${two(w.day)}`
}

/** `14:05`, or `14:05:30` with seconds. */
export function clockText(ms: number, zone: Zone, seconds = false): string {
  const w = wallOf(ms, zone)
  return `${two(w.hour)}:${two(w.minute)}${seconds ? `:${two(w.second)}` : ''}`
}

/** `2026-11-22 14:05` */
export function momentText(ms: number, zone: Zone, seconds = false): string {
  return `${dayText(ms, zone)} ${clockText(ms, zone, seconds)}`
}

/** How long ago, in words: `just now`, `40 s ago`, `4 min ago`. */
export function agoText(ms: number, now: number): string {
  const gone = now - ms
  return gone < 2000 ? 'just now' : `${durationText(gone)} ago`
}

/** `40 s`, `4 min`, `2 h`, `3 days` */
export function durationText(ms: number): string {
  const s = Math.max(0, ms) / 1000
  if (s < 90) return `${Math.round(s)} s`
  if (s < 90 * 60) return `${Math.round(s / 60)} min`
  if (s < 36 * 3600) return `${Math.round(s / 3600)} h`
  return `${Math.round(s / 86400)} days`
}
