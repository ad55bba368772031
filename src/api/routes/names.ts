import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { NamesAnswer, NamesQuestion } from '../contract/names.ts'
import { Problem } from '../contract/query.ts'

export interface NamesDeps {
  readonly names: {
    /** What is known now; never waits. */
    known(question: NamesQuestion): NamesAnswer
  }
}

/** POST /api/v1/names. */
export function namesRoutes(app: FastifyInstance, deps: NamesDeps): void {
  app.withTypeProvider<ZodTypeProvider>().post(
    '/api/v1/names',
    {
      schema: {
        summary: 'Names of addresses, MAC addresses, services and autonomous systems, as far as they are known now',
        tags: ['query'],
        body: NamesQuestion,
        response: { 200: NamesAnswer, 400: Problem },
      },
    },
    (request) => deps.names.known(request.body),
  )
}
