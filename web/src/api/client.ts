// The console's one way to the server. Every failure is an ApiError that says what failed and what to do.
import type { Problem } from '../../../src/api/contract/query.ts'

export class ApiError extends Error {
  readonly status: number
  readonly problem: Problem
  /** What was asked, if it was refused for the time that it would take: see questions.ts. */
  readonly patience: readonly unknown[] | undefined
  constructor(problem: Problem, patience?: readonly unknown[]) {
    super(problem.detail ?? problem.title)
    this.name = 'ApiError'
    this.status = problem.status
    this.problem = problem
    this.patience = patience
  }
}

/** The server could not be reached at all. */
export function unreachable(path: string): Problem {
  return {
    type: 'unreachable',
    title: 'The server does not answer',
    status: 0,
    detail: `${path} could not be reached.`,
    hint: 'Check that `vnetscope serve` runs and that this machine reaches it. The console tries again by itself.',
  }
}

async function problemOf(response: Response, path: string): Promise<Problem> {
  const fallback: Problem = {
    type: 'about:blank',
    title: `The server answered ${response.status}`,
    status: response.status,
    detail: `${path} answered ${response.status} ${response.statusText}.`,
  }
  if (!(response.headers.get('content-type') ?? '').includes('json')) return fallback
  const body: unknown = await response.json().catch(() => undefined)
  return typeof body === 'object' && body !== null && 'title' in body
    ? { ...fallback, ...(body as Partial<Problem>) }
    : fallback
}

async function answerTo(path: string, init: RequestInit): Promise<Response> {
  const response = await fetch(path, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error
    throw new ApiError(unreachable(path))
  })
  if (!response.ok) throw new ApiError(await problemOf(response, path))
  return response
}

async function send(path: string, init: RequestInit): Promise<unknown> {
  const response = await answerTo(path, init)
  return response.status === 204 ? undefined : response.json()
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await send(path, signal ? { signal } : {})) as T
}

export async function postFor<T>(path: string, body: object): Promise<T> {
  return (await send(path, post(body))) as T
}

/** Changes something on the server. */
export async function change<T>(method: 'PUT' | 'DELETE', path: string, body?: object): Promise<T> {
  const content =
    body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
  return (await send(path, { method, ...content })) as T
}

function post(body: object, signal?: AbortSignal): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  }
}

export type QuestionKind = 'top' | 'series' | 'flows' | 'matrix' | 'distinct' | 'conversations'
export type FileFormat = 'csv' | 'json' | 'jsonl' | 'parquet'

let asked = 0

/** Asks a question; when the signal aborts, the server is told to stop working on it. */
async function question<T>(
  path: string,
  body: object,
  signal: AbortSignal,
  read: (response: Response) => Promise<T>,
): Promise<T> {
  const id = `console-${Date.now().toString(36)}-${(asked++).toString(36)}`
  const cancel = () => void fetch(`/api/v1/query/${id}`, { method: 'DELETE', keepalive: true }).catch(() => undefined)
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await read(await answerTo(path, post({ ...body, id }, signal)))
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}

export function ask<T>(kind: QuestionKind, body: object, signal: AbortSignal): Promise<T> {
  return question(`/api/v1/query/${kind}`, body, signal, (response) => response.json() as Promise<T>)
}

export interface FileQuestion {
  readonly kind: QuestionKind
  readonly body: object
  /** Every flow of the range, as a stream. */
  readonly all?: boolean
}

/** The answer as a file; `onBytes` is told how much has come so far. */
export function askForFile(
  { kind, body, all = false }: FileQuestion,
  format: FileFormat,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<Blob> {
  return question(`/api/v1/query/${kind}?format=${format}${all ? '&all=true' : ''}`, body, signal, async (response) => {
    const parts: BlobPart[] = []
    let bytes = 0
    const reader = response.body?.getReader()
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      parts.push(part.value)
      onBytes((bytes += part.value.length))
    }
    return new Blob(parts, { type: response.headers.get('content-type') ?? '' })
  })
}

export function problemFrom(error: unknown): Problem {
  if (error instanceof ApiError) return error.problem
  return { type: 'about:blank', title: 'Something went wrong in the console', status: 0, detail: String(error) }
}
