// In and out of everything named by a pair of columns, in bits a second.
import { useMemo } from 'react'
import { useTop } from '../api/questions.ts'
import type { Ask } from '../api/questions.ts'
import { endsOf } from '../names/ends.ts'
import { knownSeconds } from '../time/known.ts'

const MOST_PAIRS = 10_000

/** All pairs of two columns: one answer serves busiest ends, peers and the Sankey diagram. */
export function pairsAsk(by: readonly string[], filter = ''): Ask {
  return { by, metric: 'bytes', limit: MOST_PAIRS, filter }
}

/** The pairs hold every sum unless there are too many; only then is each side asked for by itself. */
export function useEnds(source: string, target: string, filter = '') {
  const by = useMemo(() => ({ source: [source], target: [target], pairs: [source, target] }), [source, target])
  const pairs = useTop(pairsAsk(by.pairs, filter))
  const cut = pairs.data?.other !== undefined
  const sent = useTop({ ...pairsAsk(by.source, filter), enabled: cut })
  const received = useTop({ ...pairsAsk(by.target, filter), enabled: cut })
  const rows = useMemo(() => {
    if (!pairs.data) return undefined
    const scale = 8 / knownSeconds(pairs.data)
    const whole =
      cut && sent.data && received.data
        ? { sent: sent.data, received: received.data }
        : { sent: pairs.data, received: pairs.data }
    return endsOf(whole.sent, whole.received, pairs.data, source, target).map((ends) => ({
      ...ends,
      out: ends.out * scale,
      in: ends.in * scale,
    }))
  }, [pairs.data, cut, sent.data, received.data, source, target])
  return {
    data: rows,
    error: pairs.error,
    isPlaceholderData: pairs.isPlaceholderData,
    errorUpdatedAt: pairs.errorUpdatedAt,
    refetch: () => pairs.refetch(),
  }
}
