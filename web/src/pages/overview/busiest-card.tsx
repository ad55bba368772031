// The busiest machines and hosts: out and in as mirrored bars.
import { useMemo } from 'react'
import { useTop } from '../../api/questions.ts'
import { useInventory } from '../../api/system.ts'
import { countText, rateText } from '../../figures/units.ts'
import { endsOf } from '../../names/ends.ts'
import type { Ends } from '../../names/ends.ts'
import { Answer } from '../../parts/answer.tsx'
import { Mirror } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'
import { Name } from '../../parts/name.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { DataTable } from '../../table/data-table.tsx'
import type { Column } from '../../table/data-table.tsx'

const ROWS = 7

export interface EndsRates extends Ends {
  readonly host: string | null
}

/** In and out of everything named by `source` and `target`, in bits a second. */
export function useEnds(source: string, target: string, limit: number, filter = '') {
  const by = useMemo(() => ({ source: [source], target: [target], pairs: [source, target] }), [source, target])
  const sent = useTop({ by: by.source, metric: 'bytes', limit, filter })
  const received = useTop({ by: by.target, metric: 'bytes', limit, filter })
  const pairs = useTop({ by: by.pairs, metric: 'bytes', limit: 5000, filter })
  const rows = useMemo(() => {
    if (!sent.data || !received.data) return undefined
    const scale = 8 / Math.max(1, (sent.data.bounds.to - sent.data.bounds.from) / 1000)
    return endsOf(sent.data, received.data, pairs.data, source, target).map((ends) => ({ ...ends, out: ends.out * scale, in: ends.in * scale }))
  }, [sent.data, received.data, pairs.data, source, target])
  const error = sent.error ?? received.error
  return {
    data: rows,
    error,
    isPlaceholderData: sent.isPlaceholderData || received.isPlaceholderData,
    errorUpdatedAt: Math.max(sent.errorUpdatedAt, received.errorUpdatedAt),
    refetch: () => Promise.all([sent.refetch(), received.refetch()]),
  }
}

export function endsColumns<T extends Ends>(most: number): Column<T>[] {
  return [
    { id: 'out', head: 'Out', num: true, value: (row) => row.out, cell: (row) => rateText('bytes', row.out) },
    { id: 'bars', head: '', cell: (row) => <Mirror left={row.out / most} right={row.in / most} /> },
    { id: 'in', head: 'In', num: true, value: (row) => row.in, cell: (row) => rateText('bytes', row.in) },
  ]
}

export function MachinesCard() {
  const ends = useEnds('src_vm', 'dst_vm', 200)
  const machines = useInventory().data?.machines
  const hosts = useMemo(() => new Map((machines ?? []).map((machine) => [machine.name, machine.host])), [machines])
  return (
    <Card title="Busiest machines" note="bits a second, average; peers are machines" className="c8 stretch" end={<Go to="/machines" className="link">All machines</Go>}>
      <Answer of={ends} height={240}>
        {(all) => {
          if (all.length === 0) return <NothingInSpan />
          const rows = all.slice(0, ROWS).map((row): EndsRates => ({ ...row, host: hosts.get(row.name) ?? null }))
          const columns: Column<EndsRates>[] = [
            { id: 'name', head: 'Machine', cell: (row) => <Name of="vm" value={row.name} /> },
            { id: 'host', head: 'Host', cell: (row) => (row.host === null ? <span className="dim">–</span> : <Name of="host" value={row.host} strong={false} />) },
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
  const ends = useEnds('src_host', 'dst_host', 200)
  return (
    <Card title="Busiest hosts" note="bits a second, average" className="c5 stretch" end={<Go to="/hosts" className="link">All hosts</Go>}>
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
