// What happened beside the traffic, as thin marks in a picture over time.
import type { Event } from '../../../src/api/contract/events.ts'

/** The events of one bucket, as one mark where the last of them happened. */
export interface Mark {
  readonly at: number
  readonly events: readonly Event[]
}

export function marksOf(events: readonly Event[], stepSeconds: number): Mark[] {
  const byBucket = new Map<number, Event[]>()
  for (const event of events) {
    const bucket = Math.floor(event.at / (stepSeconds * 1000))
    const those = byBucket.get(bucket)
    if (those) those.push(event)
    else byBucket.set(bucket, [event])
  }
  return [...byBucket.values()].map((those) => ({ at: Math.max(...those.map(({ at }) => at)), events: those }))
}

/** Those of the bucket that begins at `start`. */
export function eventsIn(marks: readonly Mark[], start: number, stepSeconds: number): Event[] {
  return marks.flatMap(({ events }) => events.filter(({ at }) => at >= start && at < start + stepSeconds * 1000))
}
