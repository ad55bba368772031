import { z } from 'zod'
import { Moment } from './query.ts'

// GET /api/v1/events. Browser-safe: imports zod alone.

export const EventKind = z.enum([
  'started',
  'store',
  'lost',
  'exporter_heard',
  'exporter_silent',
  'exporter_restarted',
  'sampling',
])
export type EventKind = z.infer<typeof EventKind>

export const Event = z.object({
  at: z.number().describe('milliseconds since 1970'),
  since: z
    .number()
    .nullable()
    .describe('when what ended then had begun: that the server, the store or an exporter was away'),
  kind: EventKind,
  exporter: z.string().nullable().describe('address of the exporter that it is about'),
  text: z.string().describe('a plain sentence'),
})
export type Event = z.infer<typeof Event>

export const EventsAsked = z.object({
  from: Moment.optional().describe('ISO 8601, or milliseconds since 1970; a day before “to” unless given'),
  to: Moment.optional().describe('now unless given'),
  limit: z.coerce.number().int().min(1).max(1000).optional(),
})

export const EventsAnswer = z.object({ events: z.array(Event), more: z.boolean() })
export type EventsAnswer = z.infer<typeof EventsAnswer>
