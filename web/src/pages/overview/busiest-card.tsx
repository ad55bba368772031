// The busiest machines and hosts: out and in as mirrored bars.
import { useMemo } from 'react'
import { useInventory } from '../../api/system.ts'
import { countText } from '../../figures/units.ts'
import type { Ends } from '../../names/ends.ts'
import { Answer } from '../../parts/answer.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'
import { Name } from '../../parts/name.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { endsColumns } from '../../subject/ends-columns.tsx'
import { useEnds } from '../../subject/use-ends.ts'
import { DataTable } from '../../table/data-table.tsx'
import type { Column } from '../../table/data-table.tsx'

const ROWS = 7

interface EndsRates extends Ends {
  readonly host: string | null
}

export function MachinesCard() {
  const ends = useEnds('src_vm', 'dst_vm')
  const machines = useInventory().data?.machines
  const hosts = useMemo(() => new Map((machines ?? []).map((machine) => [machine.name, machine.host])), [machines])
  return (
    <Card
      title="Busiest machines"
      note="bits a second, average; peers are machines"
      className="c8 stretch"
      end={
        <Go to="/machines" className="link">
          All machines
        </Go>
      }
    >
      <Answer of={ends} height={240}>
        {(all) => {
          if (all.length === 0) return <NothingInSpan />
          const rows = all.slice(0, ROWS).map((row): EndsRates => ({ ...row, host: hosts.get(row.name) ?? null }))
          const columns: Column<EndsRates>[] = [
            { id: 'name', head: 'Machine', cell: (row) => <Name of="vm" value={row.name} /> },
            {
              id: 'host',
              wide: true,
              head: 'Host',
              cell: (row) =>
                row.host === null ? <span className="dim">–</span> : <Name of="host" value={row.host} strong={false} />,
            },
            ...endsColumns<EndsRates>(Math.max(1, ...rows.flatMap((row) => [row.out, row.in]))),
            { id: 'peers', head: 'Peers', num: true, cell: (row) => countText(row.peers) },
          ]
          return <DataTable label="Busiest machines" columns={columns} rows={rows} rowId={(row) => row.name} />
        }}
      </Answer>
    </Card>
  )
}

export function HostsCard() {
  const ends = useEnds('src_host', 'dst_host')
  return (
    <Card
      title="Busiest hosts"
      note="bits a second, average"
      className="c5 stretch"
      end={
        <Go to="/hosts" className="link">
          All hosts
        </Go>
      }
    >
      <Answer of={ends} height={240}>
        {(all) => {
          if (all.length === 0) return <NothingInSpan />
          const rows = all.slice(0, ROWS + 1)
          const columns: Column<Ends>[] = [
            { id: 'name', head: 'Host', cell: (row) => <Name of="host" value={row.name} /> },
            ...endsColumns<Ends>(Math.max(1, ...rows.flatMap((row) => [row.out, row.in]))),
          ]
          return <DataTable label="Busiest hosts" columns={columns} rows={rows} rowId={(row) => row.name} />
        }}
      </Answer>
    </Card>
  )
}
