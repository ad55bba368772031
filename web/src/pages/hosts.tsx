// Every host: how many machines run on it, what it sends, receives, and keeps inside.
import { useMemo } from 'react'
import { useTop } from '../api/questions.ts'
import { useInventory } from '../api/system.ts'
import { countText, rateText } from '../figures/units.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Name } from '../parts/name.tsx'
import { Nothing } from '../parts/states.tsx'
import { endsColumns } from '../subject/ends-columns.tsx'
import { Head } from '../subject/head.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { seenColumn, ThingsTable } from '../subject/things-table.tsx'
import { useEnds } from '../subject/use-ends.ts'
import type { Column } from '../table/data-table.tsx'
import { knownSeconds } from '../time/known.ts'

interface HostRow {
  readonly name: string
  readonly machines: number
  readonly out: number
  readonly in: number
  readonly inside: number
  readonly lastSeen: number | null
}

const BY = ['src_host']
const OVER = [{ value: 'src_host', label: 'Host' }]

export function Hosts() {
  const inventory = useInventory().data
  const ends = useEnds('src_host', 'dst_host')
  const inside = useTop({ by: BY, filter: 'locality intra_host', metric: 'bytes', limit: 10_000 })
  const rows = useMemo(() => {
    if (!inventory && !ends.data) return undefined
    const running = new Map<string, number>()
    for (const machine of inventory?.machines ?? [])
      if (machine.host !== null && machine.kind !== 'host')
        running.set(machine.host, (running.get(machine.host) ?? 0) + 1)
    const scale = inside.data ? 8 / knownSeconds(inside.data) : 0
    const kept = new Map((inside.data?.rows ?? []).map((row) => [String(row.key['src_host']), row.bytes * scale]))
    const all = new Map<string, HostRow>()
    const make = (name: string, lastSeen: number | null): HostRow => ({
      name,
      machines: running.get(name) ?? 0,
      out: 0,
      in: 0,
      inside: kept.get(name) ?? 0,
      lastSeen,
    })
    for (const machine of inventory?.machines ?? [])
      if (machine.kind === 'host') all.set(machine.name, make(machine.name, machine.lastSeen))
    for (const end of ends.data ?? [])
      all.set(end.name, { ...(all.get(end.name) ?? make(end.name, null)), out: end.out, in: end.in })
    return [...all.values()].sort((a, b) => b.out + b.in - (a.out + a.in))
  }, [inventory, ends.data, inside.data])
  return (
    <>
      <Head title="Hosts" note="what their machines send and receive" />
      <SeriesCard title="Traffic by sending host" filter={'not src host ""'} over={OVER} className="" />
      <Card title={`${countText(rows?.length ?? 0)} hosts`} note="bits a second, average over the time shown">
        <Answer of={{ ...ends, data: rows }} height={200}>
          {(all) => {
            if (all.length === 0)
              return (
                <Nothing>
                  No host is known yet. They are learnt from sFlow host structures, or listed in the configuration.
                </Nothing>
              )
            const columns: Column<HostRow>[] = [
              {
                id: 'name',
                head: 'Host',
                value: (row) => row.name,
                cell: (row) => <Name of="host" value={row.name} />,
              },
              {
                id: 'machines',
                head: 'Machines',
                num: true,
                value: (row) => row.machines,
                cell: (row) => countText(row.machines),
              },
              ...endsColumns<HostRow>(Math.max(1, ...all.flatMap((row) => [row.out, row.in]))),
              {
                id: 'inside',
                head: 'Stays inside',
                num: true,
                title: 'Between machines of the same host',
                value: (row) => row.inside,
                cell: (row) => rateText('bytes', row.inside),
              },
              seenColumn<HostRow>((row) => row.lastSeen),
            ]
            return (
              <ThingsTable
                label="Hosts"
                columns={columns}
                rows={all}
                rowId={(row) => row.name}
                path={(row) => `/hosts/${encodeURIComponent(row.name)}`}
              />
            )
          }}
        </Answer>
      </Card>
    </>
  )
}
