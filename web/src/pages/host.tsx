// One host: the machines on it, what stays inside and what leaves.
import { useParams } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useExporters, useInventory } from '../api/system.ts'
import { countText } from '../figures/units.ts'
import { nameOf } from '../names/exporters.ts'
import { termFor } from '../names/narrow.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Facts, listed } from '../parts/facts.tsx'
import { Go } from '../parts/go.tsx'
import { Name } from '../parts/name.tsx'
import { Nothing } from '../parts/states.tsx'
import { endsColumns } from '../subject/ends-columns.tsx'
import { Head } from '../subject/head.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { TopCard } from '../subject/top-card.tsx'
import { useEnds } from '../subject/use-ends.ts'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { useClock } from '../time/clock.tsx'
import { agoText } from '../time/zone.ts'

interface GuestRow {
  readonly name: string
  readonly out: number
  readonly in: number
  readonly peers: number
}

const OVER = [
  { value: 'locality', label: 'Inside or out' },
  { value: 'vlan', label: 'VLAN' },
  { value: 'service', label: 'Service' },
  { value: 'src_vm', label: 'Sender' },
]
const TO = ['dst_host']
const SERVICES = ['service']

export function HostPage() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const clock = useClock()
  const inventory = useInventory().data
  const exporters = useExporters().data
  const filter = termFor('host', name)
  const ends = useEnds('src_vm', 'dst_vm', filter)
  const host = inventory?.machines.find((machine) => machine.name === name && machine.kind === 'host')
  const guests = useMemo(() => {
    const here = new Set(
      (inventory?.machines ?? [])
        .filter((machine) => machine.host === name && machine.kind !== 'host')
        .map((machine) => machine.name),
    )
    const talking = new Map((ends.data ?? []).map((end) => [end.name, end]))
    return inventory && ends.data
      ? [...here]
          .map((guest): GuestRow => talking.get(guest) ?? { name: guest, out: 0, in: 0, peers: 0 })
          .sort((a, b) => b.out + b.in - (a.out + a.in))
      : undefined
  }, [inventory, ends.data, name])
  const switches = (inventory?.switches ?? []).filter((one) => one.host === name)
  return (
    <>
      <Head title={name} note={host ? 'host' : 'not in the inventory'} filter={filter} />
      <SeriesCard title="Traffic of its machines" filter={filter} over={OVER} />
      <Card title="What is known" className="c4 lone stretch">
        <div className="card-body">
          <Facts
            of={[
              ['Machines on it', guests ? countText(guests.length) : null],
              [
                'Addresses',
                listed(
                  (host?.addresses ?? []).map((address) => (
                    <Name key={address} of="ip" value={address} strong={false} />
                  )),
                ),
              ],
              ['MAC', listed((host?.macs ?? []).map((mac) => <code key={mac}>{mac}</code>))],
              ['UUID', host?.uuid ? <code>{host.uuid}</code> : null],
              [
                'Switches',
                listed(
                  switches.map((one) => (
                    <Go key={one.address} to={`/exporters/${encodeURIComponent(one.address)}`} className="name">
                      {one.name ??
                        nameOf(
                          exporters?.exporters.find((exporter) => exporter.address === one.address) ?? {
                            name: null,
                            address: one.address,
                          },
                        )}
                    </Go>
                  )),
                ),
              ],
              ['Learnt from', host ? host.from.join(', ') : null],
              ['Last seen', host?.lastSeen ? agoText(host.lastSeen, clock.now()) : null],
            ]}
          />
        </div>
      </Card>
      <Card title="Machines on it" note="bits a second, average" className="c7">
        <Answer of={{ ...ends, data: guests }} height={200}>
          {(rows) => {
            if (rows.length === 0) return <Nothing>No machine is known to run on it now.</Nothing>
            const columns: Column<GuestRow>[] = [
              { id: 'name', head: 'Machine', cell: (row) => <Name of="vm" value={row.name} /> },
              ...endsColumns<GuestRow>(Math.max(1, ...rows.flatMap((row) => [row.out, row.in]))),
              { id: 'peers', head: 'Peers', num: true, cell: (row) => countText(row.peers) },
            ]
            return <DataTable label="Machines on the host" columns={columns} rows={rows} rowId={(row) => row.name} />
          }}
        </Answer>
      </Card>
      <div className="c5" style={{ display: 'grid', gap: 14, alignContent: 'start' }}>
        <TopCard title="Sends to" note="hosts" by={TO} filter={termFor('src_host', name)} className="" />
        <TopCard title="Services" by={SERVICES} filter={filter} className="" />
      </div>
    </>
  )
}
