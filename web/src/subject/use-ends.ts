// In and out of everything named by a pair of columns, in bits a second.
import { useMemo } from 'react'
import { useTop } from '../api/questions.ts'
import { endsOf } from '../names/ends.ts'

export function useEnds(source: string, target: string, limit: number, filter = '') {
  const by = useMemo(() => ({ source: [source], target: [target], pairs: [source, target] }), [source, target])
  const sent = useTop({ by: by.source, metric: 'bytes', limit, filter })
  const received = useTop({ by: by.target, metric: 'bytes', limit, filter })
  const pairs = useTop({ by: by.pairs, metric: 'bytes', limit: 5000, filter })
  const rows = useMemo(() => {
    if (!sent.data || !received.data) return undefined
    const scale = 8 / Math.max(1, (sent.data.bounds.to - sent.data.bounds.from) / 1000)
    return endsOf(sent.data, received.data, pairs.data, source, target).map((ends) => ({ ...ends, out: ends.out * scale, in: ends.in * scale }))
  }, [sent.data, received.data, pairs.data, source, target])
  return {
    data: rows,
    error: sent.error ?? received.error,
    isPlaceholderData: sent.isPlaceholderData || received.isPlaceholderData,
    errorUpdatedAt: Math.max(sent.errorUpdatedAt, received.errorUpdatedAt),
    refetch: () => Promise.all([sent.refetch(), received.refetch()]),
  }
}
