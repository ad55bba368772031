import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DistinctAnswer, DistinctQuestion } from '../api/contract/analysis.ts'
import type { FlowsAnswer, Problem, Question, TopAnswer } from '../api/contract/query.ts'
import type { RecordsAnswer, RecordsQuestion } from '../api/contract/records.ts'
import { systemClock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import type { Ask } from '../query/ask.ts'
import { FilterError } from '../query/filter/problem.ts'

/** Formats in which flows come without a bound. */
export type WholeFormat = 'jsonl' | 'csv' | 'parquet'

/** Who answers: a server over HTTP, a data directory, or files that were read. */
export interface Source {
  top(question: Question): Promise<TopAnswer>
  flows(question: Question): Promise<FlowsAnswer>
  records(question: RecordsQuestion): Promise<RecordsAnswer>
  distinct(question: DistinctQuestion): Promise<DistinctAnswer>
  /** All flows, the oldest first, as the pieces of a file; `limit` bounds them if given. */
  everyFlow(question: Question, format: WholeFormat): AsyncIterable<string | Uint8Array>
  close(): Promise<void>
}

const TYPES: Readonly<Record<WholeFormat, string>> = { jsonl: 'ndjson', csv: 'csv', parquet: 'parquet' }

/** @throws UserError for what is no URL */
export function serverUrl(url: string): string {
  if (URL.canParse(url) && /^https?:/.test(url)) return url
  throw new UserError(`--url ${url} is not the URL of a server`, { hint: 'for example http://127.0.0.1:8080' })
}

/** A server over HTTP. @throws UserError for what is no URL */
export function serverAt(given: string): Source {
  const url = serverUrl(given)
  async function asked(
    kind: string,
    question: Question | RecordsQuestion | DistinctQuestion,
    type: string,
  ): Promise<Response> {
    const response = await fetch(new URL(`/api/v1/query/${kind}`, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(question),
    }).catch((cause: unknown) => {
      throw new OperatorError('server_away', `no server answers at ${url}`, {
        cause,
        hint: 'start one by `vnetscope serve`, name it by --url, or ask the files by --data DIR',
      })
    })
    const found = response.headers.get('content-type') ?? ''
    if (response.ok && found.includes(type)) return response
    if (!found.includes('json'))
      throw new OperatorError('server_strange', `${url} answers, but not as vnetscope does (${response.status})`)
    throw problemOf((await response.json()) as Problem, response.status)
  }
  async function post<T>(kind: string, question: Question | RecordsQuestion | DistinctQuestion): Promise<T> {
    return (await (await asked(kind, question, 'json')).json()) as T
  }
  async function* whole(question: Question, format: WholeFormat): AsyncGenerator<Uint8Array, void, void> {
    const response = await asked(`flows?format=${format}&all=true`, question, TYPES[format])
    try {
      yield* response.body ?? []
    } catch (cause) {
      throw new OperatorError('server_broke_off', `${url} broke the answer off: the file isn't whole`, { cause })
    }
  }
  return {
    everyFlow: whole,
    top: (question) => post('top', question),
    flows: (question) => post('flows', question),
    records: (question) => post('records', question),
    distinct: (question) => post('distinct', question),
    close: async () => undefined,
  }
}

/** A problem that a server answers, as the error that it was there. */
export function problemOf(problem: Problem, status: number): Error {
  const hint = problem.hint === undefined ? {} : { hint: problem.hint }
  if (problem.code === 'filter')
    return new FilterError({
      message: problem.detail ?? problem.title,
      position: problem.position ?? 0,
      length: problem.length ?? 0,
      expected: [problem.expected ?? ''],
      ...hint,
    })
  if (status < 500 && problem.code === undefined) return new UserError(problem.detail ?? problem.title, hint)
  return new OperatorError(problem.code ?? 'server_failed', problem.detail ?? problem.title, hint)
}

/** The data directory of a server that doesn't run. */
export async function filesIn(data: string): Promise<Source> {
  const dir = join(data, 'store')
  if (!existsSync(dir))
    throw new UserError(`there is no store in ${data}`, {
      hint: 'name the data directory of a server, as given to `vnetscope serve --data`',
    })
  const [{ createEmbeddedStore }, { createRoller }, { createAsk }, namedFilter] = await Promise.all([
    import('../store/embedded.ts'),
    import('../store/roller.ts'),
    import('../query/ask.ts'),
    savedIn(data),
  ])
  // The server alone decides how long flows are kept.
  const store = createEmbeddedStore({ dir, keepDays: 36_500 }, { clock: systemClock })
  await store.start()
  const rollups = createRoller({}, { store, clock: systemClock })
  try {
    await rollups.look()
  } catch (error) {
    await store.stop()
    throw error
  }
  return sourceOf(createAsk({}, { store, clock: systemClock, namedFilter, rollups }), () => store.stop())
}

/** Filters saved in a data directory, by name; a running server may have it open. */
export async function savedIn(data: string): Promise<(name: string) => string | undefined> {
  const file = join(data, 'state', 'state.sqlite')
  if (!existsSync(file)) return () => undefined
  const { createSaved } = await import('../query/saved.ts')
  const saved = createSaved({ file, readOnly: true }, { clock: systemClock })
  saved.start()
  return (name) => saved.filters.text(name)
}

export function sourceOf(ask: Ask, close: () => Promise<void>): Source {
  return {
    everyFlow: async function* (question, format) {
      const { written } = await import('../api/reply.ts')
      yield* written(format, ask.everyFlow(question))
    },
    top: (question) => ask.top(question),
    flows: (question) => ask.flows(question),
    records: (question) => ask.records(question),
    distinct: (question) => ask.distinct(question),
    close,
  }
}
