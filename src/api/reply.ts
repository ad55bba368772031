import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { UserError } from '../base/errors.ts'
import type { AskOptions } from '../query/ask.ts'
import type { EveryFlow } from '../query/every-flow.ts'
import { createParquetWriter, parquet } from './parquet.ts'
import { cellTypeOf, csv, csvRows, flowRows, jsonLines, type Table } from './table.ts'

// How an answer goes out: as JSON, JSON lines, CSV or Parquet, at once or as a stream.

const FORMATS = {
  json: 'application/json',
  jsonl: 'application/x-ndjson',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
} as const
export type Format = keyof typeof FORMATS

/** Each address waits for its own questions, and its question ends when it goes away. */
export function whoAsks(request: FastifyRequest, reply: FastifyReply): AskOptions {
  return { client: request.ip, signal: whileConnected(reply) }
}

/** Aborted when the client goes away before it has the answer. */
function whileConnected(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort()
  })
  return controller.signal
}

export async function answered<T>(
  request: FastifyRequest,
  reply: FastifyReply,
  asked: Format | undefined,
  work: (options: AskOptions) => Promise<T>,
  table: (answer: T) => Table,
): Promise<FastifyReply> {
  const format = formatOf(request, asked)
  const answer = await work(whoAsks(request, reply))
  if (format === 'json') return typed(reply, format).send(JSON.stringify(answer))
  named(reply, request.routeOptions.url?.split('/').pop() ?? 'answer', format)
  if (format === 'csv') return typed(reply, format).send(csv(table(answer)))
  if (format === 'jsonl') return typed(reply, format).send(jsonLines(table(answer)))
  return typed(reply, format).send(parquet(table(answer)))
}

/** All flows, page by page: no more is made than the client takes. What fails midway breaks the transfer off. */
export function streamed(reply: FastifyReply, format: Format, flows: EveryFlow): FastifyReply {
  if (format === 'json')
    throw new UserError('all flows come as a stream, which is no single JSON value', {
      hint: 'ask for format jsonl, csv or parquet',
    })
  named(reply, 'flows', format)
  return typed(reply, format).send(Readable.from(written(format, flows), { objectMode: false }))
}

/** All flows as the pieces of a file. */
export async function* written(
  format: Exclude<Format, 'json'>,
  { columns, pages }: EveryFlow,
): AsyncGenerator<string | Buffer, void, void> {
  const write = pageWriter(format, columns)
  for await (const page of pages) yield write.page(flowRows([...columns], page))
  yield write.end()
}

function pageWriter(
  format: Exclude<Format, 'json'>,
  columns: EveryFlow['columns'],
): { page(rows: Table['rows']): string | Buffer; end(): string | Buffer } {
  if (format === 'jsonl') return { page: (rows) => jsonLines({ columns, rows }), end: () => '' }
  if (format === 'parquet') {
    const writer = createParquetWriter(columns.map(({ name, format: kind }) => ({ name, type: cellTypeOf(kind) })))
    return { page: writer.group, end: writer.end }
  }
  let header = csv({ columns: columns.map(({ name }) => ({ name, type: 'text' })), rows: [] })
  const withHeader = (text: string): string => {
    const all = header + text
    header = ''
    return all
  }
  return { page: (rows) => withHeader(csvRows(rows)), end: () => withHeader('') }
}

function typed(reply: FastifyReply, format: Format): FastifyReply {
  return reply.type(format === 'parquet' ? FORMATS.parquet : `${FORMATS[format]}; charset=utf-8`)
}

function named(reply: FastifyReply, name: string, format: Format): void {
  void reply.header('content-disposition', `attachment; filename="vnetscope-${name}.${format}"`)
}

/** The format that was named, or else the first of the Accept header that is offered. */
export function formatOf(request: FastifyRequest, asked: Format | undefined): Format {
  if (asked !== undefined) return asked
  const header = request.headers.accept
  if (header === undefined || header.trim() === '') return 'json'
  for (const part of header.split(',')) {
    const type = part.split(';', 1)[0]?.trim().toLowerCase()
    if (type === '*/*' || type === 'application/*' || type === FORMATS.json) return 'json'
    if (type === FORMATS.csv || type === 'text/*') return 'csv'
    if (type === FORMATS.jsonl) return 'jsonl'
    if (type === FORMATS.parquet) return 'parquet'
  }
  throw new UserError(`no answer is offered as “${header.slice(0, 100)}”`, {
    hint: `ask for ${Object.values(FORMATS).join(', ')}`,
  })
}
