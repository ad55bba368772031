// The largest groups under a filter, as a small table. A row leads to its thing; "Explore" asks further.
import type { Metric, Row } from '../../../src/api/contract/query.ts'
import { useTop } from '../api/questions.ts'
import { errorText, rateText, shareText } from '../figures/units.ts'
import { labelOf } from '../names/dimensions.ts'
import { Answer } from '../parts/answer.tsx'
import { Bar } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import { usePaint } from '../parts/colours.tsx'
import { Go } from '../parts/go.tsx'
import { Name } from '../parts/name.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { knownSeconds } from '../time/known.ts'

export interface TopCardProps {
  readonly title: string
  readonly note?: string
  readonly by: readonly string[]
  readonly filter: string
  readonly limit?: number
  readonly metric?: Metric
  /** Counts what each exporter sees, though another counts it too. */
  readonly uncounted?: boolean
  readonly className?: string
}

const NO_ROWS: readonly Row[] = []

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

export function TopCard({
  title,
  note,
  by,
  filter,
  limit = 7,
  metric = 'bytes',
  uncounted = false,
  className = 'c6 stretch',
}: TopCardProps) {
  const top = useTop({ by, filter, metric, limit, ...(uncounted ? { uncounted } : {}) })
  const rows = top.data?.rows ?? NO_ROWS
  const paint = usePaint(
    by,
    rows.map((row) => row.key),
  )
  return (
    <Card
      title={title}
      note={note}
      className={className}
      end={
        <Go to="/explore" search={{ filter, by: by.join(',') }} className="link">
          Explore
        </Go>
      }
    >
      <Answer of={top} height={160}>
        {(data) => {
          if (data.rows.length === 0) return <NothingInSpan />
          const scale = (metric === 'bytes' ? 8 : 1) / knownSeconds(data)
          const most = Math.max(1, ...data.rows.map((row) => row[metric]))
          const columns: Column<Row>[] = [
            ...by.map((dimension, at): Column<Row> => ({
              id: dimension,
              head: sentence(labelOf(dimension)),
              cell: (row) => (
                <span className="cell-name" style={{ display: 'inline-flex', alignItems: 'center' }}>
                  {at === 0 ? (
                    <span className="swatch" style={{ background: paint(row.key) }} aria-hidden="true" />
                  ) : null}
                  <Name of={dimension} value={row.key[dimension]} strong={at === 0} />
                </span>
              ),
            })),
            { id: 'average', head: 'Average', num: true, cell: (row) => rateText(metric, row[metric] * scale) },
            {
              id: 'error',
              head: '± 95 %',
              num: true,
              cell: (row) => <span className="dim">{errorText(row[metric], row.low, row.high).replace('± ', '')}</span>,
            },
            {
              id: 'share',
              head: 'Share',
              num: true,
              cell: (row) => shareText(data.total[metric] > 0 ? row[metric] / data.total[metric] : 0),
            },
            { id: 'bar', head: '', cell: (row) => <Bar share={row[metric] / most} colour={paint(row.key)} /> },
          ]
          return (
            <>
              <DataTable label={title} columns={columns} rows={data.rows} rowId={(row) => JSON.stringify(row.key)} />
              {data.groups > data.rows.length ? (
                <div className="card-foot">
                  {data.rows.length} of {data.groups.toLocaleString('en-GB')}
                </div>
              ) : null}
            </>
          )
        }}
      </Answer>
    </Card>
  )
}
