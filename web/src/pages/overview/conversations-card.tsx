// The largest conversations between two addresses.
import { useTop } from '../../api/questions.ts'
import { errorText, rateText, shareText, totalText } from '../../figures/units.ts'
import { Answer } from '../../parts/answer.tsx'
import { Bar } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'
import { EndName } from '../../parts/end-name.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { DataTable } from '../../table/data-table.tsx'
import type { Column } from '../../table/data-table.tsx'
import type { Row } from '../../../../src/api/contract/query.ts'
import { knownSeconds } from '../../time/known.ts'

const BY = ['src_vm', 'src_addr', 'dst_vm', 'dst_addr', 'service']

/** A machine by its name where it has one, else its address. */
function End({ row, side }: { readonly row: Row; readonly side: 'src' | 'dst' }) {
  return <EndName vm={row.key[`${side}_vm`]} address={row.key[`${side}_addr`]} />
}

export function Conversations() {
  const top = useTop({ by: BY, metric: 'bytes', limit: 10 })
  return (
    <Card
      title="Top conversations"
      note="sender to receiver, by service"
      className="c7 stretch"
      end={
        <Go to="/conversations" className="link">
          All conversations
        </Go>
      }
    >
      <Answer of={top} height={240}>
        {(data) => {
          if (data.rows.length === 0) return <NothingInSpan />
          const seconds = knownSeconds(data)
          const most = data.rows[0]?.bytes ?? 1
          const columns: Column<Row>[] = [
            { id: 'src', head: 'From', cell: (row) => <End row={row} side="src" /> },
            { id: 'dst', head: 'To', cell: (row) => <End row={row} side="dst" /> },
            {
              id: 'service',
              head: 'Service',
              cell: (row) => <span className="dim">{String(row.key['service'])}</span>,
            },
            { id: 'average', head: 'Average', num: true, cell: (row) => rateText('bytes', (row.bytes * 8) / seconds) },
            {
              id: 'error',
              wide: true,
              head: '± 95 %',
              num: true,
              cell: (row) => <span className="dim">{errorText(row.bytes, row.low, row.high).replace('± ', '')}</span>,
            },
            { id: 'total', wide: true, head: 'Total', num: true, cell: (row) => totalText('bytes', row.bytes) },
            {
              id: 'share',
              wide: true,
              head: 'Share',
              num: true,
              cell: (row) => shareText(row.bytes / data.total.bytes),
            },
            { id: 'bar', head: '', cell: (row) => <Bar share={row.bytes / most} /> },
          ]
          return (
            <DataTable
              label="Top conversations"
              columns={columns}
              rows={data.rows}
              rowId={(row) => JSON.stringify(row.key)}
            />
          )
        }}
      </Answer>
    </Card>
  )
}
