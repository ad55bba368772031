import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Saved } from '../../query/saved.ts'
import { Problem } from '../contract/query.ts'
import { FiltersAnswer, FilterToSave, SavedFilter, SavedView, ViewsAnswer, ViewToSave } from '../contract/saved.ts'

// Filters and views that are kept by a name: GET, PUT and DELETE /api/v1/{filters,views}/{name}.

const Name = z.object({ name: z.string().min(1).max(100) })

export interface SavedDeps {
  readonly saved: Pick<Saved, 'filters' | 'views'>
}

export function savedRoutes(app: FastifyInstance, deps: SavedDeps): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const tags = ['saved']
  routes.get(
    '/api/v1/filters',
    {
      schema: {
        summary: 'Filters that are saved; each can be used in others by @name',
        tags,
        response: { 200: FiltersAnswer },
      },
    },
    (): FiltersAnswer => ({ filters: deps.saved.filters.list().map(plainFilter) }),
  )
  routes.get(
    '/api/v1/filters/:name',
    { schema: { summary: 'A saved filter', tags, params: Name, response: { 200: SavedFilter, 404: Problem } } },
    (request) => plainFilter(deps.saved.filters.get(request.params.name)),
  )
  routes.put(
    '/api/v1/filters/:name',
    {
      schema: {
        summary: 'Saves a filter under a name, in place of the one that had it',
        tags,
        params: Name,
        body: FilterToSave,
        response: { 200: SavedFilter, 400: Problem },
      },
    },
    (request) => plainFilter(deps.saved.filters.put(request.params.name, request.body.filter, request.body.describe)),
  )
  routes.delete(
    '/api/v1/filters/:name',
    {
      schema: {
        summary: 'Removes a saved filter, if no other uses it',
        tags,
        params: Name,
        response: { 204: z.null(), 404: Problem, 409: Problem },
      },
    },
    (request, reply) => {
      deps.saved.filters.remove(request.params.name)
      void reply.code(204)
      return null
    },
  )
  routes.get(
    '/api/v1/views',
    { schema: { summary: 'Views of the console that are saved', tags, response: { 200: ViewsAnswer } } },
    (): ViewsAnswer => ({ views: deps.saved.views.list() }),
  )
  routes.get(
    '/api/v1/views/:name',
    { schema: { summary: 'A saved view', tags, params: Name, response: { 200: SavedView, 404: Problem } } },
    (request) => deps.saved.views.get(request.params.name),
  )
  routes.put(
    '/api/v1/views/:name',
    {
      schema: {
        summary: 'Saves a view of the console under a name, in place of the one that had it',
        tags,
        params: Name,
        body: ViewToSave,
        response: { 200: SavedView, 400: Problem },
      },
    },
    (request) => deps.saved.views.put(request.params.name, request.body.url),
  )
  routes.delete(
    '/api/v1/views/:name',
    { schema: { summary: 'Removes a saved view', tags, params: Name, response: { 204: z.null(), 404: Problem } } },
    (request, reply) => {
      deps.saved.views.remove(request.params.name)
      void reply.code(204)
      return null
    },
  )
}

function plainFilter({ uses, usedBy, ...rest }: ReturnType<Saved['filters']['get']>): SavedFilter {
  return { ...rest, uses: [...uses], usedBy: [...usedBy] }
}
