import type { FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { OperatorError, UserError } from '../base/errors.ts'
import { FilterError } from '../query/filter/problem.ts'
import { InUseError, NotSavedError } from '../query/saved.ts'
import type { Problem } from './contract/query.ts'

// Whatever goes wrong is answered as application/problem+json (RFC 9457), in words that say what to do.

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  store_away: 503,
  query_queue: 503,
  query_timeout: 504,
  query_memory: 422,
  query_long: 422,
  query_cancelled: 499,
}
const TITLES: Readonly<Record<number, string>> = {
  400: 'The request is wrong',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Format not offered',
  409: 'In use',
  413: 'The request is too large',
  415: 'JSON is expected',
  422: 'The question asks for too much',
  499: 'Cancelled',
  500: 'Something failed here',
  503: 'Not ready',
  504: 'The question took too long',
}

export function problem(status: number, detail: string, more: Partial<Problem> = {}): Problem {
  return { type: 'about:blank', title: TITLES[status] ?? (TITLES[500] as string), status, detail, ...more }
}

export function sendProblem(reply: FastifyReply, answer: Problem): FastifyReply {
  return reply.code(answer.status).type('application/problem+json; charset=utf-8').send(JSON.stringify(answer))
}

/** The problem behind an error. What is not the user's or the operator's to mend keeps its words to itself. */
export function problemOf(error: unknown): Problem {
  if (error instanceof FilterError) {
    return problem(400, error.message, {
      type: 'urn:vnetscope:filter',
      title: 'The filter is wrong',
      code: 'filter',
      position: error.position ?? 0,
      length: error.length,
      expected: error.expected.join(', '),
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
  if (error instanceof UserError)
    return problem(
      error instanceof NotSavedError ? 404 : error instanceof InUseError ? 409 : 400,
      error.message,
      error.hint === undefined ? {} : { hint: error.hint },
    )
  if (error instanceof OperatorError) {
    return problem(STATUS_OF_CODE[error.code] ?? 500, error.message, {
      code: error.code,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    })
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const detail = error.validation
      .map((v) => `${v.instancePath.replaceAll('/', '.').slice(1) || 'the request'}: ${v.message}`)
      .join('; ')
    return problem(400, detail)
  }
  const { statusCode, message } = error as { statusCode?: number; message?: string }
  if (statusCode !== undefined && statusCode < 500) return problem(statusCode, message ?? '')
  return problem(500, 'an internal error; the log of the server says more')
}

export function handleError(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const answer = problemOf(error)
  if (answer.status === 500) request.log.error({ err: error }, 'a request failed')
  void sendProblem(reply, answer)
}
