import type { FastifyInstance } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { COLUMNS } from '../../flow/columns.ts'
import type { Ask } from '../../query/ask.ts'
import { DIMENSIONS } from '../../query/dimensions.ts'
import { formatFilter } from '../../query/filter/format.ts'
import { parseFilter } from '../../query/filter/parse.ts'
import { FilterError } from '../../query/filter/problem.ts'
import { FilterCheck, Problem, ValuesAnswer } from '../contract/query.ts'
import { ColumnsAnswer } from '../contract/system.ts'
import { whoAsks } from '../reply.ts'

// What can be asked: columns and dimensions, whether a filter is right, and values that complete one.

const COLUMNS_ANSWER: ColumnsAnswer = {
  columns: [
    ...DIMENSIONS.map(({ name, label, describe, format, derived, values }) => ({
      name,
      label,
      describe,
      format,
      dimension: true,
      derived,
      ...(values ? { values: Object.values(values) } : {}),
    })),
    ...COLUMNS.filter((column) => !column.dimension).map(({ name, label, describe, format }) => ({
      name,
      label,
      describe,
      format,
      dimension: false,
      derived: false,
    })),
  ],
}

export function vocabularyRoutes(app: FastifyInstance, ask: Ask): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  routes.get(
    '/api/v1/columns',
    {
      schema: {
        summary: 'Columns of a flow, and dimensions to group by',
        tags: ['query'],
        response: { 200: ColumnsAnswer },
      },
    },
    () => COLUMNS_ANSWER,
  )
  routes.post(
    '/api/v1/filter/check',
    {
      schema: {
        summary: 'Says whether a filter is right, and if not, where and why',
        tags: ['query'],
        body: z.object({ filter: z.string().max(200_000) }),
        response: { 200: FilterCheck, 400: Problem },
      },
    },
    (request): FilterCheck => {
      const result = parseFilter(request.body.filter)
      if (!result.ok) return { ok: false, ...result.problem, expected: [...result.problem.expected] }
      try {
        ask.checkFilter(request.body.filter)
      } catch (error) {
        if (!(error instanceof FilterError)) throw error
        return { ok: false, ...problemIn(error) }
      }
      return { ok: true, canonical: formatFilter(result.ast) }
    },
  )
  routes.get(
    '/api/v1/values',
    {
      schema: {
        summary: 'Values that a dimension had in the last hours, for completion',
        tags: ['query'],
        querystring: z.object({
          column: z.string().max(100),
          prefix: z.string().max(200).default(''),
          limit: z.coerce.number().int().min(1).max(200).default(20),
        }),
        response: { 200: ValuesAnswer, 400: Problem },
      },
    },
    async (request, reply): Promise<ValuesAnswer> => {
      const { column, prefix, limit } = request.query
      return { column, values: await ask.values(column, prefix, limit, whoAsks(request, reply)) }
    },
  )
}

function problemIn({ message, position, length, expected, hint }: FilterError) {
  return { message, position: position ?? 0, length, expected: [...expected], ...(hint === undefined ? {} : { hint }) }
}
