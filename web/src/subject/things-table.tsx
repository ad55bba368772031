// A table of all things of a kind: sorted as the URL says, a row leads to its page.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { useClock } from '../time/clock.tsx'
import { agoText } from '../time/zone.ts'
import { readSort, writeSort } from '../url/search.ts'
import type { Sort } from '../url/search.ts'

export interface ThingsTableProps<T> {
  readonly label: string
  readonly columns: readonly Column<T>[]
  readonly rows: readonly T[]
  readonly rowId: (row: T) => string
  /** Path of the page of a row. */
  readonly path: (row: T) => string
  readonly tall?: boolean
  /** The order where the URL names none; that of the rows unless given. */
  readonly usual?: Sort
}

export function ThingsTable<T>({ path, usual, ...table }: ThingsTableProps<T>) {
  const navigate = useNavigate()
  const { sort, onSort } = useUrlSort()
  return (
    <DataTable
      {...table}
      sort={sort ?? usual}
      onSort={onSort}
      onPick={(row) => void navigate({ to: path(row) as never })}
    />
  )
}

/** The order of a table that the URL keeps; a change is no step to go back from. */
function useUrlSort(): { readonly sort: Sort | undefined; readonly onSort: (sort: Sort) => void } {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  return {
    sort: readSort(search['sort']),
    onSort: (sort) =>
      void navigate({
        to: '.',
        search: ((was: object) => ({ ...was, sort: writeSort(sort) })) as never,
        replace: true,
      }),
  }
}

/** When a thing was last heard of. */
export function seenColumn<T>(
  lastSeen: (row: T) => number | null | undefined,
  more: Partial<Column<T>> = {},
): Column<T> {
  return {
    id: 'seen',
    head: 'Last seen',
    num: true,
    value: (row) => lastSeen(row) ?? null,
    cell: (row) => <Ago ms={lastSeen(row)} />,
    ...more,
  }
}

function Ago({ ms }: { readonly ms: number | null | undefined }) {
  const clock = useClock()
  return <span className="dim">{ms === null || ms === undefined ? '–' : agoText(ms, clock.now())}</span>
}
