// What the server says about itself, its exporters and its inventory.
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import type { UseQueryResult } from '@tanstack/react-query'
import type {
  ColumnsAnswer,
  ExportersAnswer,
  Health,
  InventoryAnswer,
  StorageAnswer,
} from '../../../src/api/contract/system.ts'
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

export function useStorage(): UseQueryResult<StorageAnswer, Error> {
  return useQuery({
    queryKey: ['storage'],
    refetchInterval: 30_000,
    placeholderData: keepPreviousData,
    queryFn: ({ signal }) => get<StorageAnswer>('/api/v1/storage', signal),
  })
}
