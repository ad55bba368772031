// What the server says about itself, its exporters and its inventory.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { QueryClient, UseQueryResult } from '@tanstack/react-query'
import type {
  ColumnsAnswer,
  ExportersAnswer,
  Health,
  InventoryAnswer,
  StorageAnswer,
} from '../../../src/api/contract/system.ts'
import { keptSince } from '../time/known.ts'
import { get } from './client.ts'

export type HealthHeard = Health & { readonly skew: number }

/** Asked every 5 s whatever is shown: it tells whether the server is there, and what its clock says. */
export function useHealth(): UseQueryResult<HealthHeard, Error> {
  return useQuery({
    queryKey: ['health'],
    refetchInterval: 5000,
    queryFn: async ({ signal }) => {
      const health = await get<Health>('/api/v1/health', signal)
      return { ...health, skew: health.now - Date.now() }
    },
  })
}

export function useExporters(): UseQueryResult<ExportersAnswer, Error> {
  return useQuery({
    queryKey: ['exporters'],
    refetchInterval: 10_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<ExportersAnswer>('/api/v1/exporters', signal),
  })
}

export function useInventory(): UseQueryResult<InventoryAnswer, Error> {
  return useQuery({
    queryKey: ['inventory'],
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<InventoryAnswer>('/api/v1/inventory', signal),
  })
}

export function useColumns(): UseQueryResult<ColumnsAnswer, Error> {
  return useQuery({
    queryKey: ['columns'],
    staleTime: Infinity,
    queryFn: ({ signal }) => get<ColumnsAnswer>('/api/v1/columns', signal),
  })
}

const KEPT_FRESH_MS = 10 * 60_000

/** Since when anything is kept, which changes slowly once there is something; undefined if it can't be had. */
export async function askKeptSince(queries: QueryClient): Promise<number | undefined> {
  const answer = await queries
    .fetchQuery<StorageAnswer>({
      queryKey: ['storage'],
      retry: false,
      staleTime: ({ state }) => (state.data && keptSince(state.data.tables) !== undefined ? KEPT_FRESH_MS : 0),
      queryFn: ({ signal }) => get<StorageAnswer>('/api/v1/storage', signal),
    })
    .catch(() => undefined)
  return answer && keptSince(answer.tables)
}

export function useStorage(): UseQueryResult<StorageAnswer, Error> {
  return useQuery({
    queryKey: ['storage'],
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<StorageAnswer>('/api/v1/storage', signal),
  })
}
