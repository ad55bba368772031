/** Wall-clock time in milliseconds since 1970-01-01 UTC. */
export type Millis = number

/** Where the time comes from; tests give one that they move by hand. */
export interface Clock {
  now(): Millis
}

export const systemClock: Clock = { now: () => Date.now() }
