// What the store holds: each table with its rows, its bytes, how far back it goes, and how long it is kept.
import type { StorageAnswer } from '../../../src/api/contract/system.ts'
import { useStorage } from '../api/system.ts'
import { bytesText, countText, shareText } from '../figures/units.ts'
import { Answer } from '../parts/answer.tsx'
import { Bar } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { useClock } from '../time/clock.tsx'
import { momentText } from '../time/zone.ts'
import type { Zone } from '../time/zone.ts'

type Table = StorageAnswer['tables'][number]

/** `90 days`, `90 days, at most 50.0 GB` of all of its kind, `no limit`. */
function keptText({ keepDays, keepBytes }: Pick<Table, 'keepDays' | 'keepBytes'>): string {
  const days = keepDays === null ? undefined : `${countText(keepDays)} ${keepDays === 1 ? 'day' : 'days'}`
  const bytes = keepBytes === null ? undefined : bytesText(keepBytes)
  return days === undefined && bytes === undefined
    ? 'no limit'
    : [days, bytes].filter((part) => part !== undefined).join(', at most ')
}

export function StorageCard() {
  const clock = useClock()
  const storage = useStorage()
  const data = storage.data
  return (
    <Card title="Storage" note={data ? storedText(data) : ''} className="c12">
      <Answer of={storage} height={200}>
        {(answer) => (
          <>
            <DataTable
              label="Tables of the store"
              columns={columnsOf(answer, clock.zone)}
              rows={[...answer.tables].sort((a, b) => b.bytes - a.bytes)}
              rowId={(table) => table.name}
            />
            <p className="card-foot">{footText(answer)}</p>
          </>
        )}
      </Answer>
    </Card>
  )
}

function storedText({ tables, disk, keepBytes }: StorageAnswer): string {
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0)
  const most = keepBytes === null ? '' : ` of at most ${bytesText(keepBytes)}`
  const room = disk === null ? '' : `; ${bytesText(disk.free)} of ${bytesText(disk.total)} free on its disk`
  return `${bytesText(bytes)}${most}${room}`
}

function footText({ rollups }: StorageAnswer): string {
  if (rollups === null) return 'Sums by minute, hour and day are not made in this store.'
  const waiting = rollups.waiting === 0 ? 'none is due' : `${countText(rollups.waiting)} are due`
  return `Sums by minute, hour and day: ${countText(rollups.built)} times summed since the start, ${waiting}${
    rollups.problem === null ? '' : `; ${rollups.problem}`
  }.`
}

function columnsOf(answer: StorageAnswer, zone: Zone): Column<Table>[] {
  const most = Math.max(1, ...answer.tables.map((table) => table.bytes))
  const flows = answer.tables.find((table) => table.kind === 'flows')
  const time = (ms: number | null) => <span className="figures">{ms === null ? '–' : momentText(ms, zone)}</span>
  return [
    {
      id: 'name',
      head: 'Table',
      cell: (table) => (
        <span title={table.describe} className="table-name">
          <span className="strong">{table.name}</span>
          <span className="dim small truncate wide-cell-text">{table.describe}</span>
        </span>
      ),
    },
    { id: 'rows', head: 'Rows', num: true, cell: (table) => countText(table.rows) },
    { id: 'bytes', head: 'On disk', num: true, cell: (table) => bytesText(table.bytes) },
    {
      id: 'share',
      head: 'Of flows',
      wide: true,
      num: true,
      title: 'Its bytes against those of the flows themselves',
      cell: (table) => (
        <span className="dim">{flows && flows.bytes > 0 ? shareText(table.bytes / flows.bytes) : '–'}</span>
      ),
    },
    { id: 'bar', head: '', cell: (table) => <Bar share={table.bytes / most} /> },
    { id: 'oldest', head: 'Oldest', num: true, cell: (table) => time(table.oldest) },
    {
      id: 'dropped',
      head: 'Deleted until',
      wide: true,
      num: true,
      title: 'What was received before has been deleted, at least in part',
      cell: (table) => time(table.droppedUntil),
    },
    { id: 'kept', head: 'Kept for', num: true, cell: (table) => keptText(table) },
  ]
}
