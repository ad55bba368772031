// Shows an answer, what is in its place while there is none, or why there is none.
import type { ReactNode } from 'react'
import type { Asked } from '../api/questions.ts'
import { countText, samplingText } from '../figures/units.ts'
import { ApiError, problemFrom } from '../api/client.ts'
import { Failure, LongQuestion } from './states.tsx'

interface Shown {
  readonly data: unknown
  readonly error: Error | null
  readonly isPlaceholderData: boolean
  readonly errorUpdatedAt: number
  readonly fetchStatus?: 'fetching' | 'paused' | 'idle'
  refetch(): unknown
}

export interface AnswerProps<T> {
  readonly of: Shown & { readonly data: T | undefined }
  readonly height?: number
  readonly children: (data: T) => ReactNode
}

/** The banner over the page says that the server is away: no need to say it in each card that still shows something. */
function isUnreachable(error: Error): boolean {
  return problemFrom(error).type === 'unreachable'
}

/** The old picture stays while a new one is on its way; a failure is said above it, never instead of it. */
export function Answer<T>({ of, height, children }: AnswerProps<T>) {
  const stopped = of.fetchStatus === 'idle' && !of.error && (of.data === undefined || of.isPlaceholderData)
  return (
    <>
      {stopped ? (
        <div className="state" role="status">
          <span className="row">
            <strong>Stopped.</strong>
            {of.data === undefined ? '' : 'What stands here is of the question before.'}
            <button type="button" className="button small-button" onClick={() => void of.refetch()}>
              Ask again
            </button>
          </span>
        </div>
      ) : null}
      {of.error instanceof ApiError && of.error.patience ? (
        <LongQuestion error={of.error} retry={() => void of.refetch()} />
      ) : of.error && !(of.data !== undefined && !of.isPlaceholderData && isUnreachable(of.error)) ? (
        <Failure
          error={of.error}
          since={of.errorUpdatedAt}
          retry={() => void of.refetch()}
          before={of.data !== undefined && of.isPlaceholderData}
        />
      ) : null}
      {of.data === undefined ? (
        of.error || stopped ? null : (
          <div style={{ minHeight: height ?? 80 }} aria-busy="true">
            {height === 0 ? null : <p className="state small asking">Asking…</p>}
          </div>
        )
      ) : (
        <div aria-busy={of.isPlaceholderData && !of.error} className={of.isPlaceholderData ? 'of-before' : undefined}>
          {children(of.data)}
        </div>
      )}
    </>
  )
}

interface Told {
  readonly source: string
  readonly rowsRead: number
  readonly tookMs: number
  readonly samplingRates: readonly number[]
  readonly read?: readonly { readonly table: string; readonly describe: string }[]
  readonly notes?: readonly string[]
  readonly total?: { readonly flows: number }
}

/** `the 1-hour table and flows`: what an answer was read from, the coarsest last as it is read. */
export function sourceText({ source, read }: Pick<Told, 'source' | 'read'>): string {
  const names = [...new Set((read ?? []).map(({ describe }) => describe))]
  if (names.length === 0) return source
  const named = names.map((name) => (name.endsWith('table') ? `the ${name}` : name))
  return named.length < 3 ? named.join(' and ') : `${named.slice(0, -1).join(', ')} and ${named.at(-1)}`
}

/** Table, rows read, milliseconds and sampling, in small; and what else one has to know of the answer. */
export function Provenance({ of, error }: { readonly of: Asked<Told>; readonly error?: string }) {
  if (!of.data) return null
  const { rowsRead, tookMs, samplingRates, notes = [] } = of.data
  const sampling = of.data.total?.flows === 0 ? '' : samplingText(samplingRates)
  return (
    <span>
      from {sourceText(of.data)} · {countText(rowsRead)} rows · {Math.round(tookMs)} ms
      {sampling === '' ? '' : ` · ${sampling}`}
      {error === undefined || error === 'exact' || error === '–' ? '' : ` → ${error}`}
      {notes.map((note) => (
        <span key={note} className="note">
          {note}
        </span>
      ))}
    </span>
  )
}
