// A sortable table; rows past 200 are virtual; up, down and Enter walk it.
import { useVirtualizer } from '@tanstack/react-virtual'
import { useMemo, useRef } from 'react'
import type { KeyboardEvent, ReactNode } from 'react'
import type { Sort } from '../url/search.ts'
import { sortedBy } from './text.ts'

export interface Column<T> {
  readonly id: string
  readonly head: string
  readonly num?: boolean
  readonly title?: string
  /** Left out on narrow screens. */
  readonly wide?: boolean
  /** What the column sorts by; without it the column can't be sorted. */
  readonly value?: (row: T) => number | string | null
  readonly cell: (row: T) => ReactNode
}

export interface DataTableProps<T> {
  readonly label: string
  readonly columns: readonly Column<T>[]
  readonly rows: readonly T[]
  readonly rowId: (row: T) => string
  readonly sort?: Sort | undefined
  /** True if the rows come in the order of `sort` already. */
  readonly sorted?: boolean
  readonly onSort?: (sort: Sort) => void
  readonly onPick?: (row: T) => void
  /** Called for the row in focus when Delete or minus is pressed. */
  readonly onDrop?: (row: T) => void
  readonly faint?: (row: T) => boolean
  /** The row that is open beside the table. */
  readonly selected?: string | undefined
  /** Rows that stay at the end whatever the order, such as "other". */
  readonly last?: readonly T[]
  readonly tall?: boolean
}

const ROW = 29
const NONE: readonly never[] = []
const VIRTUAL_FROM = 200
/** Columns that only draw what others say; narrow screens leave them out. */
const BARS: ReadonlySet<string> = new Set(['bar', 'bars'])

export function DataTable<T>(props: DataTableProps<T>) {
  const { label, columns, rows, rowId, sort, sorted = false, onSort, last = NONE, tall } = props
  const box = useRef<HTMLDivElement>(null)
  const shown = useMemo(() => {
    const by = sorted ? undefined : columns.find((column) => column.id === sort?.column)?.value
    return [...(by && sort ? sortedBy(rows, by, sort.descending) : rows), ...last]
  }, [rows, columns, sort, sorted, last])
  const virtual = shown.length > VIRTUAL_FROM
  const virtualizer = useVirtualizer({
    count: shown.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW,
    overscan: 20,
    enabled: virtual,
  })
  const items = virtual ? virtualizer.getVirtualItems() : []
  const before = items[0]?.start ?? 0
  const after = virtual ? virtualizer.getTotalSize() - (items.at(-1)?.end ?? 0) : 0
  const visible = virtual ? items.map((item) => shown[item.index]).filter((row) => row !== undefined) : shown

  return (
    <div className={`table-wrap ${tall || virtual ? 'tall' : ''}`} ref={box}>
      <table className="grid" aria-label={label} aria-rowcount={shown.length + 1}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.id} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody onKeyDown={walk}>
          {before > 0 ? <tr style={{ height: before }} aria-hidden="true" /> : null}
          {visible.map((row, index) => (
            <Line key={rowId(row)} row={row} first={index === 0} table={props} />
          ))}
          {after > 0 ? <tr style={{ height: after }} aria-hidden="true" /> : null}
        </tbody>
      </table>
    </div>
  )
}

function classOf<T>(column: Column<T>): string {
  return `${column.num ? 'num' : BARS.has(column.id) ? 'bar-cell' : ''} ${column.wide ? 'wide-cell' : ''}`
}

function Head<T>({
  column,
  sort,
  onSort,
}: {
  readonly column: Column<T>
  readonly sort: Sort | undefined
  readonly onSort: ((sort: Sort) => void) | undefined
}) {
  const active = sort?.column === column.id
  const direction = active ? (sort.descending ? 'descending' : 'ascending') : undefined
  const mark = active ? (sort.descending ? '▾' : '▴') : ''
  return (
    <th scope="col" className={classOf(column)} aria-sort={direction} title={column.title}>
      {onSort && column.value ? (
        <button
          type="button"
          onClick={() => onSort({ column: column.id, descending: active ? !sort.descending : column.num === true })}
        >
          {column.num ? (
            <span className="sort" aria-hidden="true">
              {mark}
            </span>
          ) : null}
          {column.head}
          {column.num ? null : (
            <span className="sort" aria-hidden="true">
              {mark}
            </span>
          )}
        </button>
      ) : (
        column.head
      )}
    </th>
  )
}

function Line<T>({
  row,
  first,
  table,
}: {
  readonly row: T
  readonly first: boolean
  readonly table: DataTableProps<T>
}) {
  const { columns, onPick, onDrop, faint, selected, rowId } = table
  const pick = onPick && !faint?.(row) ? onPick : undefined
  return (
    <tr
      className={`${pick ? 'pick' : ''} ${faint?.(row) ? 'faint' : ''}`}
      aria-selected={selected === undefined ? undefined : rowId(row) === selected}
      tabIndex={pick ? (first ? 0 : -1) : undefined}
      aria-keyshortcuts={pick ? `Enter${onDrop ? ' Delete' : ''} ArrowRight` : undefined}
      onClick={pick ? () => pick(row) : undefined}
      onKeyDown={
        pick
          ? (event) => {
              if (event.target !== event.currentTarget) return
              if (event.key === 'Enter') pick(row)
              if (event.key === 'Delete' || event.key === '-') onDrop?.(row)
            }
          : undefined
      }
    >
      {columns.map((column) => (
        <td key={column.id} className={classOf(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  )
}

/** What right and left walk in a row: the row itself, then its links and buttons. */
function stopsOf(line: HTMLElement): HTMLElement[] {
  const within = [...line.querySelectorAll<HTMLElement>('a[href], button:enabled')]
  return [line, ...within.filter((stop) => stop.offsetParent !== null)]
}

function walk(event: KeyboardEvent<HTMLTableSectionElement>): void {
  const aside = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0
  if (aside !== 0) {
    const here = event.target as HTMLElement
    const row = here.closest('tr')
    const stops = row?.hasAttribute('tabindex') ? stopsOf(row) : []
    const stop = stops[stops.indexOf(here) + aside]
    if (!stop) return
    event.preventDefault()
    stop.focus()
    return
  }
  const by =
    event.key === 'ArrowDown' ? 'nextElementSibling' : event.key === 'ArrowUp' ? 'previousElementSibling' : undefined
  const line = (event.target as HTMLElement).closest('tr')
  const next = by === undefined ? undefined : line?.[by]
  if (!(next instanceof HTMLElement) || next.tabIndex === undefined || !next.hasAttribute('tabindex')) return
  event.preventDefault()
  next.focus()
}
