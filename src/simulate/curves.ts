import type { Millis } from '../base/clock.ts'

// How traffic follows the clock (UTC). Each curve is a factor with mean 1 in the long run.

const HOUR = 3_600_000
const DAY = 24 * HOUR

/** Every half hour one pair of an iperf experiment sends for eight minutes. */
export const BURST = { periodMs: 30 * 60_000, lengthMs: 8 * 60_000 } as const

export type Curve =
  | { readonly kind: 'flat' }
  /** People at work: most at 14:00, least at 02:00. */
  | { readonly kind: 'day' }
  /** A run of 2 hours each night from this hour on, and one of 6 minutes each hour. */
  | { readonly kind: 'backup'; readonly hour: number }
  /** One of the pairs that take turns in an experiment. */
  | { readonly kind: 'burst'; readonly turn: number; readonly turns: number }

/** The factor of a curve at a time. */
export function curveAt(curve: Curve, now: Millis): number {
  switch (curve.kind) {
    case 'flat':
      return 1
    case 'day': {
      const angle = (2 * Math.PI * (now - 14 * HOUR)) / DAY
      return 1 + 0.42 * Math.cos(angle) + 0.06 * Math.sin(3 * angle)
    }
    case 'backup':
      return backupAt(now, curve.hour) / BACKUP_MEAN
    case 'burst':
      return burstAt(now, curve.turn, curve.turns)
  }
}

const NIGHT_HOURS = 2
const HOURLY_MS = 6 * 60_000
const HOURLY_LEVEL = 0.7
const IDLE_LEVEL = 0.01
const NIGHT_PART = NIGHT_HOURS / 24
const HOURLY_PART = (1 - NIGHT_PART) * (HOURLY_MS / HOUR)
const BACKUP_MEAN = NIGHT_PART + HOURLY_PART * HOURLY_LEVEL + (1 - NIGHT_PART - HOURLY_PART) * IDLE_LEVEL

function backupAt(now: Millis, hour: number): number {
  const sinceStart = positive(now - hour * HOUR, DAY)
  if (sinceStart < NIGHT_HOURS * HOUR) return 1
  // Machines take turns in the hour, by the fraction of the hour at which their night run starts.
  return positive(now - (hour % 1) * HOUR, HOUR) < HOURLY_MS ? HOURLY_LEVEL : IDLE_LEVEL
}

function burstAt(now: Millis, turn: number, turns: number): number {
  const period = Math.floor(now / BURST.periodMs)
  if (period % turns !== turn) return 0
  return now - period * BURST.periodMs < BURST.lengthMs ? (turns * BURST.periodMs) / BURST.lengthMs : 0
}

function positive(value: number, modulus: number): number {
  return ((value % modulus) + modulus) % modulus
}
