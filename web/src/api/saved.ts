// Views and filters that are kept on the server by a name, for everyone who asks it.
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { UseMutationResult, UseQueryResult } from '@tanstack/react-query'
import type { FiltersAnswer, ViewsAnswer } from '../../../src/api/contract/saved.ts'
import { change, get } from './client.ts'

export type Kept = 'views' | 'filters'

export function useViews(): UseQueryResult<ViewsAnswer, Error> {
  return useQuery({
    queryKey: ['saved', 'views'],
    staleTime: 30_000,
    queryFn: ({ signal }) => get<ViewsAnswer>('/api/v1/views', signal),
  })
}

export function useSavedFilters(): UseQueryResult<FiltersAnswer, Error> {
  return useQuery({
    queryKey: ['saved', 'filters'],
    staleTime: 30_000,
    queryFn: ({ signal }) => get<FiltersAnswer>('/api/v1/filters', signal),
  })
}

export interface Keeping {
  readonly kind: Kept
  readonly name: string
  /** The URL of a view, or the text of a filter; undefined to remove what has the name. */
  readonly content?: string
}

/** Saves or removes one. */
export function useKeep(): UseMutationResult<unknown, Error, Keeping> {
  const queries = useQueryClient()
  return useMutation({
    mutationFn: ({ kind, name, content }: Keeping) => {
      const path = `/api/v1/${kind}/${encodeURIComponent(name)}`
      return content === undefined
        ? change('DELETE', path)
        : change('PUT', path, kind === 'views' ? { url: content } : { filter: content })
    },
    onSuccess: (_, { kind }) => queries.invalidateQueries({ queryKey: ['saved', kind] }),
  })
}
