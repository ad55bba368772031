// What happened beside the traffic: starts, outages, exporters that fell silent.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { Event, EventsAnswer } from '../../../src/api/contract/events.ts'
import type { Bounds } from '../time/span.ts'
import { get } from './client.ts'

/** Live bounds move with each answer: they are asked anew only as often as something is looked for. */
const GRAIN_MS = 15_000
const MOST = 200

export interface EventsHeard {
  readonly events: readonly Event[]
  /** True if there are more than these, which are the newest. */
  readonly more: boolean
}

const NONE: EventsHeard = { events: [], more: false }

/** Those within the bounds; none as long as they are not known, or if they can't be had: they only explain. */
export function useEvents(bounds: Bounds): EventsHeard {
  const from = Math.floor(bounds.from / GRAIN_MS) * GRAIN_MS
  const to = Math.ceil(bounds.to / GRAIN_MS) * GRAIN_MS
  const { data } = useQuery({
    queryKey: ['events', from, to],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<EventsAnswer>(`/api/v1/events?from=${from}&to=${to}&limit=${MOST}`, signal),
  })
  return data ?? NONE
}
