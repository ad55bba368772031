import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { Problem } from '../contract/query.ts'
import { ExportersAnswer, Health, InventoryAnswer, StorageAnswer } from '../contract/system.ts'

// How the server is, whom it hears, and what it knows of the network.

type MaybePromise<T> = T | Promise<T>

export interface SystemDeps {
  readonly health: () => MaybePromise<Health>
  readonly exporters: () => MaybePromise<ExportersAnswer>
  readonly inventory: () => MaybePromise<InventoryAnswer>
  readonly storage: () => MaybePromise<StorageAnswer>
  /** Counters in Prometheus' text format. */
  readonly metricsText: () => Promise<string>
}

export function systemRoutes(app: FastifyInstance, deps: SystemDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['system']
  routes.get(
    '/api/v1/health',
    {
      schema: {
        summary: 'How the server is: listeners, store, spool and the ledger of what came and where it went',
        tags,
        response: { 200: Health, 503: Problem },
      },
    },
    () => deps.health(),
  )
  routes.get(
    '/api/v1/exporters',
    {
      schema: {
        summary: 'Who sends: protocols, rates, sampling, losses, and why anything was refused',
        tags,
        response: { 200: ExportersAnswer, 503: Problem },
      },
    },
    () => deps.exporters(),
  )
  routes.get(
    '/api/v1/inventory',
    {
      schema: {
        summary: 'Machines, VLANs and switches that are known',
        tags,
        response: { 200: InventoryAnswer, 503: Problem },
      },
    },
    () => deps.inventory(),
  )
  routes.get(
    '/api/v1/storage',
    {
      schema: {
        summary: 'What is stored, table by table: rows, bytes, since when, and how long it is kept',
        tags,
        response: { 200: StorageAnswer, 503: Problem },
      },
    },
    () => deps.storage(),
  )
  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) =>
    reply.type('text/plain; version=0.0.4; charset=utf-8').send(await deps.metricsText()),
  )
}
