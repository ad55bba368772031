// What needs a person, whatever page is shown: the server away, the store away.
import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { problemFrom } from '../api/client.ts'
import { useHealth } from '../api/system.ts'
import type { HealthHeard } from '../api/system.ts'
import { bytesText, countText } from '../figures/units.ts'
import { spanText } from '../time/span.ts'
import { useClock } from '../time/clock.tsx'
import { clockText, durationText } from '../time/zone.ts'

export function Banners() {
  const health = useHealth()
  const clock = useClock()
  const since = useSince(health.isError)
  useReturn(health.isError)
  if (health.isError) {
    return (
      <div className="banner bad-banner" role="alert">
        <span className="dot bad" aria-hidden="true" />
        <span>
          <strong>{problemFrom(health.error).title}</strong> since {clockText(since ?? Date.now(), clock.zone, true)}.{' '}
          {health.data ? 'What you see is what was last heard. ' : ''}Trying again every 5 s.
        </span>
      </div>
    )
  }
  return (
    <>
      {clock.misread ? (
        <div className="banner" role="status">
          <span className="dot warn" aria-hidden="true" />
          <span>
            <strong>The time in this address can’t be read.</strong> Shown is the{' '}
            {spanText(clock.span, 0, clock.zone).toLowerCase()}.
          </span>
        </div>
      ) : null}
      {health.data ? <StoreBanner health={health.data} /> : null}
    </>
  )
}

function StoreBanner({ health }: { readonly health: HealthHeard }) {
  const clock = useClock()
  const { store, spool } = health
  if (store.state === 'ready') {
    // The store tells of itself in the answers; other reasons are said here, once.
    return health.status === 'ok' || health.reasons.length === 0 ? null : (
      <div className="banner" role="status">
        <span className="dot warn" aria-hidden="true" />
        <span>{health.reasons.join(' ')}</span>
      </div>
    )
  }
  const waiting = spool.oldest === null ? 0 : health.now - spool.oldest
  return (
    <div className="banner" role="alert">
      <span className="dot warn" aria-hidden="true" />
      <span>
        <strong>
          {store.state === 'starting' ? 'The store is starting.' : 'Answers are delayed: the store is away'}
        </strong>
        {store.state === 'starting'
          ? ' Answers come in a moment.'
          : ` since ${clockText(store.since, clock.zone, true)}${store.error === undefined ? '' : ` (${store.error})`}.`}
        {spool.rows > 0
          ? ` ${durationText(waiting)} of traffic (${countText(spool.rows)} flows, ${bytesText(spool.bytes)} of at most ${bytesText(spool.limitBytes)}) waits safely in the spool.`
          : ''}
      </span>
    </div>
  )
}

/** Whatever failed while the server was away is asked again when it is back, also what is not live. */
function useReturn(away: boolean): void {
  const queries = useQueryClient()
  const was = useRef(false)
  useEffect(() => {
    if (was.current && !away) void queries.refetchQueries({ predicate: ({ state }) => state.status === 'error' })
    was.current = away
  }, [away, queries])
}

/** When `wrong` last became true. */
function useSince(wrong: boolean): number | undefined {
  const [since, setSince] = useState<number>()
  useEffect(() => setSince(wrong ? Date.now() : undefined), [wrong])
  return since
}
