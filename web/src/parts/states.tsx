// What stands where an answer can't: a failure, or nothing to show.
import { useQueryClient } from '@tanstack/react-query'
import type { ReactNode } from 'react'
import { problemFrom } from '../api/client.ts'
import type { ApiError } from '../api/client.ts'
import { useHealth } from '../api/system.ts'
import { useClock } from '../time/clock.tsx'
import { agoText, clockText, momentText } from '../time/zone.ts'

/** What failed, since when, and what to do. */
export function Failure({
  error,
  since,
  retry,
  before = false,
}: {
  readonly error: unknown
  readonly since?: number
  readonly retry?: () => void
  /** True if what was asked before still stands below. */
  readonly before?: boolean
}) {
  const clock = useClock()
  const queries = useQueryClient()
  const problem = problemFrom(error)
  return (
    <div className="state bad-state" role="alert">
      <strong>{problem.title}</strong>
      {problem.detail !== undefined && problem.detail !== problem.title ? <span>{problem.detail}</span> : null}
      {problem.expected === undefined ? null : <span>Expected: {problem.expected}</span>}
      {problem.hint === undefined ? null : <span>{problem.hint}</span>}
      {/* What is wrong with a question stays wrong. */}
      {problem.status === 400 ? null : (
        <span className="row">
          {since === undefined || since === 0 ? null : (
            <span className="small">since {clockText(since, clock.zone, true)}</span>
          )}
          <button
            type="button"
            className="button small-button"
            onClick={retry ?? (() => void queries.refetchQueries({ stale: true }))}
          >
            Try again
          </button>
        </span>
      )}
      {before ? <span className="small">What stands below is of the question before.</span> : null}
    </div>
  )
}

/** What a question would cost, before it is asked. */
export function LongQuestion({ error, retry }: { readonly error: ApiError; readonly retry: () => void }) {
  const queries = useQueryClient()
  const { patience, problem } = error
  return (
    <div className="state" role="alert">
      <strong>This question takes long</strong>
      <span>{problem.detail ?? problem.title}</span>
      <span>A shorter time, fewer groups or a simpler filter makes it faster.</span>
      <span className="row">
        <button
          type="button"
          className="button small-button"
          onClick={() => {
            queries.setQueryData([...(patience ?? [])], true)
            retry()
          }}
        >
          Ask it all the same
        </button>
      </span>
    </div>
  )
}

export function Nothing({ children }: { readonly children: ReactNode }) {
  return <div className="state">{children}</div>
}

/** An empty answer, and when there was something. */
export function NothingInSpan({
  filtered = false,
  onClear,
}: {
  readonly filtered?: boolean
  /** Takes the filter away. */
  readonly onClear?: () => void
}) {
  const clock = useClock()
  const health = useHealth()
  const { oldest, newest } = health.data?.store ?? { oldest: null, newest: null }
  return (
    <div className="state" role="status">
      <strong>{filtered ? 'Nothing in this time matches the filter' : 'Nothing was seen in this time'}</strong>
      {oldest === null || newest === null ? (
        <span>The store holds no traffic yet.</span>
      ) : (
        <>
          <span>
            There is traffic from {momentText(oldest, clock.zone)} to {momentText(newest, clock.zone)} (
            {agoText(newest, clock.now())}).
          </span>
          <span className="row">
            {filtered && onClear ? (
              <button type="button" className="button small-button" onClick={onClear}>
                Ask without the filter
              </button>
            ) : null}
            <button
              type="button"
              className="button small-button"
              onClick={() =>
                clock.setSpan({ kind: 'between', from: Math.max(oldest, newest - 3_600_000), to: newest + 1000 })
              }
            >
              Show the newest of it
            </button>
          </span>
        </>
      )}
    </div>
  )
}
