import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { UserError } from '../../base/errors.ts'
import type { Ask, AskOptions } from '../../query/ask.ts'
import { FlowsAnswer, MatrixAnswer, Problem, Question, SeriesAnswer, TopAnswer } from '../contract/query.ts'
import { RecordsAnswer, RecordsQuestion } from '../contract/records.ts'
import { parquet } from '../parquet.ts'
import { problem, sendProblem } from '../problem.ts'
import { csv, flowsTable, recordsTable, rowsTable, seriesTable, type Table } from '../table.ts'

// POST /api/v1/query/{top,series,flows,matrix}, each as JSON, CSV or Parquet; DELETE /api/v1/query/{id}.

const FORMATS = { json: 'application/json', csv: 'text/csv', parquet: 'application/vnd.apache.parquet' } as const
type Format = keyof typeof FORMATS

const Asking = z.object({
  format: z.enum(['json', 'csv', 'parquet']).optional().describe('instead of the Accept header'),
})

export function queryRoutes(app: FastifyInstance, ask: Ask): void {
  const routes = app.withTypeProvider<ZodTypeProvider>()
  const schema = (answer: z.ZodType, summary: string) => ({
    summary,
    tags: ['query'],
    body: Question,
    querystring: Asking,
    response: { 200: answer, 400: Problem, 503: Problem, 504: Problem },
  })
  routes.post(
    '/api/v1/query/top',
    { schema: schema(TopAnswer, 'The greatest groups of a time range') },
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
    { schema: schema(SeriesAnswer, 'The metric over time, for the greatest groups') },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.series(request.body, options), seriesTable),
  )
  routes.post(
    '/api/v1/query/flows',
    { schema: schema(FlowsAnswer, 'The rows themselves, newest first; “by” chooses columns') },
    (request, reply) =>
      answered(request, reply, request.query.format, (options) => ask.flows(request.body, options), flowsTable),
  )
  routes.post(
    '/api/v1/query/matrix',
    { schema: schema(MatrixAnswer, 'The greatest combinations of two to five dimensions') },
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
        body: RecordsQuestion,
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

async function answered<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Format | undefined,
  work: (options: AskOptions) => Promise<T>,
  table: (answer: T) => Table,
): Promise<FastifyReply> {
  const format = asked ?? accepted(request.headers.accept)
  const answer = await work({ signal: whileConnected(reply) })
  if (format === 'json') return reply.type('application/json; charset=utf-8').send(JSON.stringify(answer))
  const name = request.routeOptions.url?.split('/').pop() ?? 'answer'
  void reply.header('content-disposition', `attachment; filename="vnetscope-${name}.${format}"`)
  if (format === 'csv') return reply.type('text/csv; charset=utf-8').send(csv(table(answer)))
  return reply.type(FORMATS.parquet).send(parquet(table(answer)))
}

/** Aborted when the client goes away before it has the answer. */
export function whileConnected(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

/** The first format of an Accept header that is offered. */
function accepted(header: string | undefined): Format {
  if (header === undefined || header.trim() === '') return 'json'
  for (const part of header.split(',')) {
    const type = part.split(';', 1)[0]?.trim().toLowerCase()
    if (type === '*/*' || type === 'application/*' || type === FORMATS.json) return 'json'
    if (type === FORMATS.csv || type === 'text/*') return 'csv'
    if (type === FORMATS.parquet) return 'parquet'
  }
  throw new UserError(`no answer is offered as “${header.slice(0, 100)}”`, {
    hint: `ask for ${Object.values(FORMATS).join(', ')}`,
  })
}
