import swagger from '@fastify/swagger'
import fastify, { type FastifyInstance } from 'fastify'
import { jsonSchemaTransform, validatorCompiler } from 'fastify-type-provider-zod'
import type { Ask } from '../query/ask.ts'
import { serveConsole } from './console.ts'
import { guard } from './guard.ts'
import { handleError } from './problem.ts'
import { eventsRoutes, type EventsDeps } from './routes/events.ts'
import { followRoutes, type FollowDeps } from './routes/follow.ts'
import { namesRoutes, type NamesDeps } from './routes/names.ts'
import { queryRoutes } from './routes/query.ts'
import { savedRoutes, type SavedDeps } from './routes/saved.ts'
import { systemRoutes, type SystemDeps } from './routes/system.ts'
import { vocabularyRoutes } from './routes/vocabulary.ts'

export interface ApiConfig {
  /** The address that the server will listen on. */
  readonly host?: string
  readonly version?: string
  /** Addresses and networks of reverse proxies, whose X-Forwarded-For is believed. */
  readonly trustProxy?: readonly string[]
}

export interface ApiDeps extends SystemDeps, SavedDeps, NamesDeps, FollowDeps, EventsDeps {
  readonly ask: Ask
  /** Directory of the built console. */
  readonly webRoot?: string
}

const BODY_LIMIT = 256 * 1024

/** The HTTP side of a server: API, counters and console. Give it an address by `listen`, or ask it by `inject`. */
export async function createApi(config: ApiConfig, deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    forceCloseConnections: true,
    trustProxy: config.trustProxy?.length ? [...config.trustProxy] : false,
    routerOptions: { ignoreTrailingSlash: true },
  })
  app.setValidatorCompiler(validatorCompiler)
  // Answers are made by us, and their types are checked when they are compiled: the schemas are for the reader.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data))
  app.setErrorHandler(handleError)
  // A form of another site can send text/plain, but not JSON, without being asked for permission.
  app.removeContentTypeParser('text/plain')
  guard(app, config.host ?? '127.0.0.1')
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'vnetscope',
        version: config.version ?? '0',
        description:
          'What crosses a virtual network: asked by POST /api/v1/query/…, with an interval for every number that sampling leaves uncertain. Errors are application/problem+json.',
      },
      tags: [
        { name: 'query', description: 'Ask the flows' },
        { name: 'saved', description: 'Filters and views kept by a name' },
        { name: 'system', description: 'Ask the server' },
      ],
    },
    transform: jsonSchemaTransform,
  })
  queryRoutes(app, deps.ask)
  followRoutes(app, deps)
  vocabularyRoutes(app, deps.ask)
  savedRoutes(app, deps)
  namesRoutes(app, deps)
  systemRoutes(app, deps)
  eventsRoutes(app, deps)
  app.get('/api/v1/openapi.json', { schema: { hide: true } }, () => app.swagger())
  await serveConsole(app, deps.webRoot)
  await app.ready()
  return app
}
