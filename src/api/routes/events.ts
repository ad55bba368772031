import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { moment } from '../../query/question.ts'
import { EventsAnswer, EventsAsked } from '../contract/events.ts'
import { Problem } from '../contract/query.ts'

export interface EventsDeps {
  readonly events: {
    list(asked: { from: number; to: number; limit?: number | undefined }): EventsAnswer
  }
}

const DAY = 86_400_000

/** GET /api/v1/events. */
export function eventsRoutes(app: FastifyInstance, deps: EventsDeps): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/events',
    {
      schema: {
        summary: 'What happened beside the traffic: starts, outages, losses, exporters that fell silent or restarted',
        tags: ['system'],
        querystring: EventsAsked,
        response: { 200: EventsAnswer, 400: Problem },
      },
    },
    (request) => {
      const { from, to, limit } = request.query
      const until = to === undefined ? Date.now() : moment(to, 'to')
      return deps.events.list({ from: from === undefined ? until - DAY : moment(from, 'from'), to: until, limit })
    },
  )
}
