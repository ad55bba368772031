import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { UserError } from '../../base/errors.ts'
import type { Ask } from '../../query/ask.ts'
import { nearest } from '../../query/filter/problem.ts'
import {
  ConversationsAnswer,
  CostAnswer,
  CostQuestion,
  DistinctAnswer,
  DistinctQuestion,
  TotalsAnswer,
} from '../contract/analysis.ts'
import { EXAMPLES } from '../contract/examples.ts'
import { FlowsAnswer, MatrixAnswer, Problem, Question, SeriesAnswer, TopAnswer } from '../contract/query.ts'
import { RecordsAnswer, RecordsQuestion } from '../contract/records.ts'
import { problem, sendProblem } from '../problem.ts'
import { answered, formatOf, streamed, whoAsks } from '../reply.ts'
import {
  conversationsTable,
  distinctTable,
  flowsTable,
  recordsTable,
  rowsTable,
  seriesTable,
  totalsTable,
} from '../table.ts'

// POST /api/v1/query/…, each as JSON, JSON lines, CSV or Parquet; DELETE /api/v1/query/{id}.

const Asking = z.object({
  format: z.enum(['json', 'jsonl', 'csv', 'parquet']).optional().describe('instead of the Accept header'),
})
const Listing = Asking.extend({
  all: z
    .enum(['true', 'false'])
    .optional()
    .describe('true: every flow of the range, the oldest first, as a stream of csv, jsonl or parquet'),
})

/** A question of its own shape, with an example. */
function bodyOf<T extends z.ZodType>(question: T, path: keyof typeof EXAMPLES): T {
  return question.meta({ examples: [EXAMPLES[path].body] })
}

/** What any question may have: one kind leaves out what is of another alone. */
const NAMES: ReadonlySet<string> = new Set(
  [Question, DistinctQuestion, CostQuestion, RecordsQuestion].flatMap(({ shape }) => Object.keys(shape)),
)

/** A question with `fliter` would be answered for all traffic. @throws UserError */
function refuseUnknown(body: unknown): void {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return
  const unknown = Object.keys(body).find((name) => !NAMES.has(name))
  if (unknown === undefined) return
  const near = nearest(unknown, NAMES)
  throw new UserError(`“${unknown.slice(0, 60)}” is not a part of a question`, {
    hint: near.length > 0 ? `did you mean “${near[0]}”?` : `there are ${[...NAMES].join(', ')}`,
  })
}

export function queryRoutes(app: FastifyInstance, ask: Ask): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  app.addHook('preValidation', async (request) => {
    if (request.method === 'POST' && request.url.startsWith('/api/v1/query/')) refuseUnknown(request.body)
  })
  const schema = (answer: z.ZodType, summary: string) => ({
    summary,
    tags: ['query'],
    body: Question,
    querystring: Asking,
    response: { 200: answer, 400: Problem, 422: Problem, 503: Problem, 504: Problem },
  })
  routes.post(
    '/api/v1/query/top',
    { schema: { ...schema(TopAnswer, 'The greatest groups of a time range'), body: bodyOf(Question, 'top') } },
    (request, reply) =>
      answered(
        request,
        reply,
        request.query.format,
        (options) => ask.top(request.body, options),
        (answer) => rowsTable(answer.columns, answer.rows),
      ),
  )
  routes.post(
    '/api/v1/query/series',
    {
      schema: {
        ...schema(SeriesAnswer, 'The metric over time, for the greatest groups'),
        body: bodyOf(Question, 'series'),
      },
    },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.series(request.body, options), seriesTable),
  )
  routes.post(
    '/api/v1/query/flows',
    {
      schema: {
        ...schema(FlowsAnswer, 'The rows themselves, newest first; “by” chooses columns'),
        body: bodyOf(
          Question.extend({
            limit: z.number().int().min(1).optional().describe('at most 10,000, unless all are asked for'),
          }),
          'flows',
        ),
        querystring: Listing,
      },
    },
    (request, reply) => {
      const { format, all } = request.query
      if (all !== 'true')
        return answered(request, reply, format, (options) => ask.flows(request.body, options), flowsTable)
      return streamed(reply, formatOf(request, format), ask.everyFlow(request.body, whoAsks(request, reply)))
    },
  )
  routes.post(
    '/api/v1/query/distinct',
    {
      schema: {
        ...schema(DistinctAnswer, 'How many different values of some dimensions each group has: who scans?'),
        body: bodyOf(DistinctQuestion, 'distinct'),
      },
    },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.distinct(request.body, options), distinctTable),
  )
  routes.post(
    '/api/v1/query/conversations',
    {
      schema: {
        ...schema(ConversationsAnswer, 'Who talks with whom: a row a pair of ends, with both directions'),
        body: bodyOf(Question, 'conversations'),
      },
    },
    (request, reply) =>
      answered(
        request,
        reply,
        request.query.format,
        (options) => ask.conversations(request.body, options),
        conversationsTable,
      ),
  )
  routes.post(
    '/api/v1/query/totals',
    {
      schema: {
        ...schema(TotalsAnswer, 'Bytes, packets and flows of a time range, each with its interval'),
        body: bodyOf(Question, 'totals'),
      },
    },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.totals(request.body, options), totalsTable),
  )
  routes.post(
    '/api/v1/query/cost',
    {
      schema: {
        summary: 'What a question would cost, without asking it',
        tags: ['query'],
        body: bodyOf(CostQuestion, 'cost'),
        response: { 200: CostAnswer, 400: Problem, 503: Problem, 504: Problem },
      },
    },
    (request, reply) => ask.cost(request.body.kind, request.body, whoAsks(request, reply)),
  )
  routes.post(
    '/api/v1/query/matrix',
    {
      schema: {
        ...schema(MatrixAnswer, 'The greatest combinations of two to five dimensions'),
        body: bodyOf(Question, 'matrix'),
      },
    },
    (request, reply) =>
      answered(
        request,
        reply,
        request.query.format,
        (options) => ask.matrix(request.body, options),
        (answer) => rowsTable(answer.columns, answer.links),
      ),
  )
  routes.post(
    '/api/v1/query/records',
    {
      schema: {
        ...schema(RecordsAnswer, 'Flows put together to records, as nfdump’s -a and -b do'),
        body: bodyOf(RecordsQuestion, 'records'),
      },
    },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.records(request.body, options), recordsTable),
  )
  routes.delete(
    '/api/v1/query/:id',
    {
      schema: {
        summary: 'Ends a question that was asked with this id',
        tags: ['query'],
        params: z.object({ id: z.string().max(100) }),
      },
    },
    (request, reply) => {
      if (ask.cancel(request.params.id)) return reply.code(204).send()
      return sendProblem(reply, problem(404, `no question of id “${request.params.id}” is being answered`))
    },
  )
}
