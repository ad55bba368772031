// One VLAN: who is on it, what it carries, where it is seen.
import { useParams } from '@tanstack/react-router'
import { countText } from '../figures/units.ts'
import { useVlanNames } from '../names/vlan-names.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Name } from '../parts/name.tsx'
import { NothingInSpan } from '../parts/states.tsx'
import { endsColumns } from '../subject/ends-columns.tsx'
import { Head } from '../subject/head.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { TopCard } from '../subject/top-card.tsx'
import { useEnds } from '../subject/use-ends.ts'
import type { Ends } from '../names/ends.ts'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { Lost } from './lost.tsx'

const OVER = [
  { value: 'src_vm', label: 'Sender' },
  { value: 'service', label: 'Service' },
  { value: 'locality', label: 'Locality' },
  { value: 'src_host', label: 'Host' },
]
const SERVICES = ['service']
const LOCALITY = ['locality']
const EXPORTER = ['exporter']

export function VlanPage() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const name = useVlanNames().get(Number(id))
  const valid = /^\d+$/.test(id) && Number(id) <= 4095
  const filter = `vlan ${valid ? id : 0}`
  const ends = useEnds('src_vm', 'dst_vm', filter)
  if (!valid) return <Lost />
  return (
    <>
      <Head title={id === '0' ? 'Untagged' : `VLAN ${id}`} note={name} filter={filter} />
      <SeriesCard title="Traffic" filter={filter} over={OVER} />
      <TopCard title="Where it goes" note="by locality" by={LOCALITY} filter={filter} className="c4 stretch" />
      <Card
        title="Machines on it"
        note={ends.data ? `${countText(ends.data.length)} talking in the time shown` : ''}
        className="c7"
      >
        <Answer of={ends} height={200}>
          {(rows) => {
            if (rows.length === 0) return <NothingInSpan filtered />
            const columns: Column<Ends>[] = [
              { id: 'name', head: 'Machine', cell: (row) => <Name of="vm" value={row.name} /> },
              ...endsColumns<Ends>(Math.max(1, ...rows.flatMap((row) => [row.out, row.in]))),
              { id: 'peers', head: 'Peers', num: true, cell: (row) => countText(row.peers) },
            ]
            return <DataTable label="Machines on the VLAN" columns={columns} rows={rows} rowId={(row) => row.name} />
          }}
        </Answer>
      </Card>
      <div className="c5" style={{ display: 'grid', gap: 14, alignContent: 'start' }}>
        <TopCard title="Services" by={SERVICES} filter={filter} className="" />
        <TopCard title="Seen by" note="exporters" by={EXPORTER} filter={filter} uncounted className="" />
      </div>
    </>
  )
}
