// The flows themselves: every column there is, in the order that is chosen; a row opens with all that is known of it.
import { useMemo, useState } from 'react'
import type { ReactNode } from 'react'
import type { FlowsAnswer, KeyValue } from '../../../src/api/contract/query.ts'
import { useFlows } from '../api/questions.ts'
import type { Asked } from '../api/questions.ts'
import { useColumns } from '../api/system.ts'
import { countText } from '../figures/units.ts'
import { labelOf } from '../names/dimensions.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { NarrowButtons } from '../parts/narrow-buttons.tsx'
import type { Narrow } from '../parts/narrow-buttons.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { toTsv } from '../table/text.ts'
import { useClock } from '../time/clock.tsx'
import type { Bounds } from '../time/span.ts'
import { momentText } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'
import type { Sort } from '../url/search.ts'
import { ColumnsMenu } from './columns-menu.tsx'
import { cellText, FlowCell } from './flow-cells.tsx'
import { FlowDrawer } from './flow-drawer.tsx'
import { askedColumns, chosenColumns, isNarrowable, listDirection, listOrder, LIST_ROWS } from './list.ts'
import type { FlowRow } from './list.ts'

const MORE_ROWS = 5000
const NUMBERS: ReadonlySet<string> = new Set(['bytes', 'packets', 'port', 'number'])

export interface FlowListProps {
  readonly filter: string
  /** Names of the columns shown; empty for the usual ones that say something. */
  readonly columns: readonly string[]
  readonly sort: Sort | undefined
  readonly onColumns: (columns: readonly string[]) => void
  readonly onSort: (sort: Sort | undefined) => void
  readonly onNarrow: Narrow
  /** What stands above the list. */
  readonly head?: (flows: Asked<FlowsAnswer>) => ReactNode
  readonly end?: (bounds: Bounds) => ReactNode
  readonly foot?: (flows: Asked<FlowsAnswer>) => ReactNode
}

export function FlowList(props: FlowListProps) {
  const { filter, columns, sort, onColumns, onSort, onNarrow, head, end, foot } = props
  const clock = useClock()
  const known = useColumns().data?.columns
  const all = useMemo(() => (known ?? []).filter((column) => !column.derived), [known])
  const [more, setMore] = useState({ of: filter, limit: LIST_ROWS })
  const limit = more.of === filter ? more.limit : LIST_ROWS
  const [open, setOpen] = useState<FlowRow>()
  const order = listOrder(sort)
  const flows = useFlows({
    filter,
    limit,
    still: open !== undefined,
    ...(order === undefined ? {} : { order }),
    ...(columns.length === 0 ? {} : { by: askedColumns(columns) }),
  })
  const data = flows.data
  const rows = useMemo(() => data?.rows.map((cells, id) => ({ id, cells })) ?? [], [data])
  const shown = useMemo(() => (data ? chosenColumns(data, columns) : []), [data, columns])
  return (
    <>
      {head?.(flows)}
      <Card
        title={
          data ? `${countText(data.rows.length)}${data.more ? (order ? ' first' : ' newest') : ''} flows` : 'Flows'
        }
        note="bytes and packets as observed, not scaled by the sampling rate"
        end={
          <span className="row">
            <ColumnsMenu
              all={all}
              shown={columns.length > 0 ? columns : shown.map(({ column }) => column.name)}
              chosen={columns.length > 0}
              onChange={onColumns}
            />
            {data ? (
              <CopyButton className="link" label="copy table" text={() => toTsv(flowsText(data, shown, clock.zone))} />
            ) : null}
            {data ? end?.(data.bounds) : null}
          </span>
        }
        foot={foot?.(flows)}
      >
        <Answer of={flows} height={300}>
          {(answer) => {
            if (answer.rows.length === 0) return <NothingInSpan filtered={filter !== ''} />
            const dated = answer.bounds.to - answer.bounds.from > 20 * 3_600_000
            return (
              <>
                <DataTable
                  label="Flows"
                  tall
                  columns={shown.map(({ column, at }): Column<FlowRow> => {
                    const cell = (row: FlowRow) => row.cells[at] ?? null
                    return {
                      id: column.name,
                      head: labelOf(column.name),
                      num: NUMBERS.has(column.format),
                      title: all.find((other) => other.name === column.name)?.describe ?? column.label,
                      ...(listDirection(column.name) === undefined ? {} : { value: (row) => orderValue(cell(row)) }),
                      cell: (row) => (
                        <span className="cell-name narrowable">
                          <FlowCell column={column} value={cell(row)} zone={clock.zone} dated={dated} />
                          {isNarrowable(column) ? (
                            <NarrowButtons of={column.name} value={cell(row)} narrow={onNarrow} />
                          ) : null}
                        </span>
                      ),
                    }
                  })}
                  rows={rows}
                  rowId={(row) => String(row.id)}
                  sort={sort}
                  // The server orders: it alone knows the rows that are not listed.
                  sorted
                  onSort={({ column }) =>
                    onSort(sort?.column === column ? undefined : { column, descending: listDirection(column) ?? true })
                  }
                  onPick={setOpen}
                  selected={open === undefined ? undefined : String(open.id)}
                />
                {answer.more && limit < MORE_ROWS ? (
                  <div className="card-foot">
                    <button
                      type="button"
                      className="button small-button"
                      onClick={() => setMore({ of: filter, limit: MORE_ROWS })}
                    >
                      Show up to {countText(MORE_ROWS)}
                    </button>
                  </div>
                ) : null}
              </>
            )
          }}
        </Answer>
      </Card>
      {open && data ? (
        <FlowDrawer
          answer={data}
          row={open}
          all={all}
          onStep={(by) => setOpen((now) => (now ? (rows[now.id + by] ?? now) : now))}
          onClose={() => setOpen(undefined)}
          onNarrow={(column, value, keep) => {
            setOpen(undefined)
            onNarrow(column, value, keep)
          }}
        />
      ) : null}
    </>
  )
}

function orderValue(value: KeyValue): number | string {
  return typeof value === 'number' ? value : String(value ?? '')
}

function flowsText(answer: FlowsAnswer, shown: ReturnType<typeof chosenColumns>, zone: Zone): string[][] {
  return [
    shown.map(({ column }) => column.name),
    ...answer.rows.map((row) =>
      shown.map(({ column, at }) =>
        column.format === 'time' ? momentText(Number(row[at]), zone, true) : cellText(row[at] ?? null),
      ),
    ),
  ]
}
