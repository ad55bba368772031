import { readFileSync } from 'node:fs'

// Whether a program's memory grows: a line through its samples that single peaks do not turn (Theil and Sen).

const MEGABYTE = 2 ** 20
/** What comes before is a program that warms up. */
const WARM = 1 / 3
/** Samples that are compared with each other: their number squared. */
const MOST_SAMPLES = 400

export interface Growth {
  readonly first: number
  readonly last: number
  /** Bytes by which it grew while it was warm, as the line has it. */
  readonly grown: number
  readonly allowed: number
}

/** Resident memory of processes together, in bytes; those that have ended have none. */
export function residentBytes(pids: readonly number[]): number {
  let bytes = 0
  for (const pid of pids) {
    try {
      bytes += Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024
    } catch {
      // It ended meanwhile
    }
  }
  return bytes
}

/**
 * @param samples bytes, at equal distances
 * @param slack bytes by which a healthy program may grow, beside a twentieth of what it has
 */
export function growthOf(samples: readonly number[], slack = 16 * MEGABYTE): Growth {
  const warm = thinned(samples.slice(Math.floor(samples.length * WARM)))
  const slopes: number[] = []
  for (let i = 0; i < warm.length; i++)
    for (let k = i + 1; k < warm.length; k++) slopes.push(((warm[k] as number) - (warm[i] as number)) / (k - i))
  const grown = (middle(slopes) ?? 0) * Math.max(0, warm.length - 1)
  return {
    first: warm[0] ?? 0,
    last: warm.at(-1) ?? 0,
    grown,
    allowed: slack + (middle(warm) ?? 0) / 20,
  }
}

function thinned(samples: readonly number[]): number[] {
  const each = Math.max(1, Math.ceil(samples.length / MOST_SAMPLES))
  return samples.filter((_, i) => i % each === 0)
}

function middle(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[values.length >> 1]
}
