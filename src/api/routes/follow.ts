import { Readable } from 'node:stream'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import type { Follow, Following, Shown } from '../../query/follow.ts'
import { Problem } from '../contract/query.ts'
import { whoAsks } from '../reply.ts'
import { flowRows, jsonLines } from '../table.ts'

// GET /api/v1/flows/stream: flows as they come.

export interface FollowDeps {
  readonly follow: Follow
}

const Following = z.object({
  filter: z.string().max(10_000).optional().describe('as of a question; empty for all'),
  by: z.string().max(2000).optional().describe('columns, parted by commas; those of a list of flows unless given'),
  format: z
    .enum(['jsonl', 'sse'])
    .optional()
    .describe('JSON lines unless given or the Accept header says text/event-stream'),
})

export function followRoutes(app: FastifyInstance, deps: FollowDeps): void {
  app.withTypeProvider<ZodTypeProvider>().get(
    '/api/v1/flows/stream',
    {
      schema: {
        summary:
          'Flows as they come, until the connection is closed: at most 1000 a second; how many more matched stands between them',
        tags: ['query'],
        querystring: Following,
        response: { 200: z.unknown().describe('a stream'), 400: Problem, 503: Problem },
      },
    },
    (request, reply) => {
      const { filter, by, format } = request.query
      const { signal } = whoAsks(request, reply)
      const columns = by === undefined ? [] : by.split(',').map((name) => name.trim())
      const following = deps.follow({ filter, by: columns.filter((name) => name !== '') }, signal as AbortSignal)
      return sent(reply, following, format ?? (asksForEvents(request) ? 'sse' : 'jsonl'))
    },
  )
}

function asksForEvents(request: FastifyRequest): boolean {
  return request.headers.accept?.includes('text/event-stream') === true
}

function sent(reply: FastifyReply, following: Following, format: 'jsonl' | 'sse'): FastifyReply {
  const text = format === 'sse' ? events : lines
  async function* pieces(): AsyncGenerator<string, void, void> {
    for await (const shown of following.shown) yield text(following.columns, shown)
  }
  return reply
    .type(`${format === 'sse' ? 'text/event-stream' : 'application/x-ndjson'}; charset=utf-8`)
    .header('x-accel-buffering', 'no')
    .send(Readable.from(pieces(), { objectMode: false }))
}

/** One object a line; `{"missed":n}` before rows where n more matched. An empty line keeps the connection. */
function lines(columns: Following['columns'], { rows, missed }: Shown): string {
  if (rows.length === 0) return '\n'
  const text = jsonLines({ columns, rows: flowRows([...columns], rows) })
  return missed > 0 ? `{"missed":${missed}}\n${text}` : text
}

/** Events `flow` and `missed`; a comment keeps the connection. */
function events(columns: Following['columns'], { rows, missed }: Shown): string {
  if (rows.length === 0) return ':\n\n'
  const flows = jsonLines({ columns, rows: flowRows([...columns], rows) })
    .trimEnd()
    .split('\n')
    .map((line) => `event: flow\ndata: ${line}\n\n`)
    .join('')
  return missed > 0 ? `event: missed\ndata: ${missed}\n\n${flows}` : flows
}
