// Questions as React hooks. The key of a question holds its span as asked ("last 1 h"), the answer the bounds it was fetched for.
import { useEffect, useRef } from 'react'
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query'
import type { UseQueryResult } from '@tanstack/react-query'
import type { ConversationsAnswer, DistinctAnswer } from '../../../src/api/contract/analysis.ts'
import type {
  FlowsAnswer,
  MatrixAnswer,
  Metric,
  Question,
  SeriesAnswer,
  TopAnswer,
} from '../../../src/api/contract/query.ts'
import { useClock } from '../time/clock.tsx'
import { knownPart } from '../time/known.ts'
import { aligned, boundsOf, shiftOf, stepFor } from '../time/span.ts'
import type { Bounds, Span, Versus } from '../time/span.ts'
import { ApiError, ask } from './client.ts'
import type { QuestionKind } from './client.ts'
import { askKeptSince } from './system.ts'
import { isRough } from './rough.ts'

export interface Ask {
  readonly by?: readonly string[]
  readonly filter?: string
  readonly metric?: Metric
  readonly limit?: number
  readonly points?: number
  /** Seconds in a bucket; chosen for the number of points unless given. */
  readonly step?: number
  /** Of a list of flows. */
  readonly order?: Question['order']
  readonly unit?: Question['unit']
  /** True to count each rare address and port of a long time by itself, which takes longer. */
  readonly exact?: boolean
  /** Of distinct counts: the dimensions whose values are counted. */
  readonly of?: readonly string[]
  readonly orderBy?: string
  /** Also asks for the same question over an earlier time. */
  readonly versus?: Versus
  /** Asks over this span in place of the page's. */
  readonly span?: Span
  /** Also what another exporter counts: for questions about where traffic is seen. */
  readonly uncounted?: boolean
  /** Leaves out the newest part, which is not all in yet. */
  readonly lagMs?: number
  readonly enabled?: boolean
  /** Not asked anew by itself, so that what is looked at stays. */
  readonly still?: boolean
}

/** What an answer's numbers count; an answer that still stands while the next one is on its way keeps its own. */
export interface Counted {
  readonly metric: Metric
  readonly unit: Question['unit'] | undefined
  readonly versus: Versus
}

export type Answered<T> = T & {
  readonly bounds: Bounds
  readonly askedAt: number
  readonly known: Bounds
  readonly counted: Counted
}
export type Asked<T> = UseQueryResult<Answered<T>, Error>

/** How often a live answer is asked anew: long spans change slowly. */
export function refreshMs(span: Span): number | false {
  if (span.kind === 'between') return false
  if (span.ms <= 15 * 60_000) return 5000
  return span.ms <= 24 * 3_600_000 ? 10_000 : 60_000
}

/** A server that has just begun has nothing to answer yet, but soon will. */
function nextMs(span: Span, data: object | undefined): number | false {
  const usual = refreshMs(span)
  const total = data && 'total' in data ? (data.total as { flows?: number }) : undefined
  return total?.flows === 0 && usual !== false ? Math.min(usual, 2000) : usual
}

/** How often a server that can't be reached is asked again, also for what stands still. */
const AWAY_MS = 5000

function isAway(error: Error | null): boolean {
  return error instanceof ApiError && error.status === 0
}

/** A question that is expected to take longer is asked only when its cost is known and accepted. */
const PATIENCE_S = 10
const LONGEST_MS = 600_000

/** What an answer is of: a series tells of whole buckets, though not of what is to come. */
function answeredBounds(answer: unknown, asked: Bounds, now: number): Bounds {
  const told = answer as Partial<Bounds>
  return typeof told.from === 'number' && typeof told.to === 'number'
    ? { from: told.from, to: Math.max(asked.to, Math.min(told.to, now)) }
    : asked
}

function useAsk<T>(kind: QuestionKind, asked: Ask): Asked<T> {
  const clock = useClock()
  const span = asked.span ?? clock.span
  const queries = useQueryClient()
  const {
    enabled = true,
    span: _span,
    points,
    lagMs = 0,
    versus = 'none',
    still = false,
    exact = false,
    ...question
  } = asked
  const last = useRef<Answered<T>>(undefined)
  const answer = useQuery<Answered<T>, Error>({
    queryKey: ['ask', kind, span, question, points, lagMs, versus, exact],
    enabled,
    placeholderData: keepPreviousData,
    refetchInterval: (query) => {
      if (isAway(query.state.error)) return AWAY_MS
      return clock.live && !still ? nextMs(span, query.state.data) : false
    },
    queryFn: async ({ signal }) => {
      const now = clock.now()
      const bounds = boundsOf(span, span.kind === 'last' ? now - lagMs : now)
      const step = question.step ?? stepFor(bounds, points)
      const { from, to } = kind === 'series' ? aligned(bounds, step) : bounds
      const previous = shiftOf(versus, to - from, step)
      const body = {
        ...question,
        from,
        to,
        ...(kind === 'series' ? { step } : {}),
        ...(previous === undefined ? {} : { previous }),
        ...(isRough(kind, to - from, exact) ? { exact: false } : {}),
      }
      // Who was told what a question costs, and asked it all the same, waits for it.
      const patience = ['patience', kind, span, question.filter, question.by]
      const waits = queries.getQueryData(patience) === true
      const since = askKeptSince(queries)
      const answer = await ask<T>(
        kind,
        waits ? { ...body, timeoutMs: LONGEST_MS } : { ...body, atMostSeconds: PATIENCE_S },
        signal,
      ).catch((error: unknown) => {
        throw error instanceof ApiError && error.problem.code === 'query_long'
          ? new ApiError(error.problem, patience)
          : error
      })
      const counted: Counted = { metric: question.metric ?? 'bytes', unit: question.unit, versus }
      const told = answeredBounds(answer, { from, to }, now)
      const { read } = answer as { readonly read?: readonly Bounds[] }
      return { ...answer, bounds: told, known: knownPart(told, now, await since, read), askedAt: now, counted }
    },
  })
  useEffect(() => {
    if (answer.data !== undefined) last.current = answer.data
  }, [answer.data])
  // A question that fails takes nothing away: what was last heard stands below the reason, as of the question before.
  return answer.isError && answer.data === undefined && last.current !== undefined
    ? ({ ...answer, data: last.current, isPlaceholderData: true } as unknown as Asked<T>)
    : answer
}

export const useTop = (asked: Ask): Asked<TopAnswer> => useAsk<TopAnswer>('top', asked)
export const useSeries = (asked: Ask): Asked<SeriesAnswer> => useAsk<SeriesAnswer>('series', asked)
export const useFlows = (asked: Ask): Asked<FlowsAnswer> => useAsk<FlowsAnswer>('flows', asked)
export const useMatrix = (asked: Ask): Asked<MatrixAnswer> => useAsk<MatrixAnswer>('matrix', asked)
export const useConversations = (asked: Ask): Asked<ConversationsAnswer> =>
  useAsk<ConversationsAnswer>('conversations', asked)
export const useDistinct = (asked: Ask): Asked<DistinctAnswer> => useAsk<DistinctAnswer>('distinct', asked)
