// One machine: what it sends and receives, with whom, over what.
import { useParams } from '@tanstack/react-router'
import { termFor } from '../names/narrow.ts'
import { useMachineIndex } from '../names/machine-index.ts'
import { Card } from '../parts/card.tsx'
import { Facts, listed } from '../parts/facts.tsx'
import { Name } from '../parts/name.tsx'
import { Head } from '../subject/head.tsx'
import { PeersCard } from '../subject/peers-card.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { TopCard } from '../subject/top-card.tsx'
import { WaysCard } from '../subject/ways-card.tsx'
import { useClock } from '../time/clock.tsx'
import { agoText } from '../time/zone.ts'

const OVER = [
  { value: 'service', label: 'Service' },
  { value: 'locality', label: 'Locality' },
  { value: 'vlan', label: 'VLAN' },
  { value: 'proto', label: 'Protocol' },
]
const SERVICES = ['service']

export function MachinePage() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const clock = useClock()
  const machine = useMachineIndex().byName.get(name)
  // A physical machine has no adapter on a virtual switch: it is known by its addresses.
  const byAddress = machine?.kind === 'physical' && machine.addresses.length > 0
  const list = machine?.addresses.join(', ') ?? ''
  const filters = byAddress
    ? { any: `ip in [${list}]`, out: `src ip in [${list}]`, in: `dst ip in [${list}]` }
    : { any: termFor('vm', name), out: termFor('src_vm', name), in: termFor('dst_vm', name) }
  const kind = machine?.kind === 'physical' ? 'physical machine' : machine?.kind === 'host' ? 'host' : 'virtual machine'
  return (
    <>
      <Head title={name} note={machine ? kind : 'not in the inventory'} filter={filters.any} />
      <WaysCard outFilter={filters.out} inFilter={filters.in} />
      <Card title="What is known" className="c4 lone stretch">
        <div className="card-body">
          {machine ? (
            <Facts
              of={[
                ['Host', machine.host === null ? null : <Name key="h" of="host" value={machine.host} />],
                [
                  'Addresses',
                  listed(
                    machine.addresses.map((address) => <Name key={address} of="ip" value={address} strong={false} />),
                  ),
                ],
                ['MAC', listed(machine.macs.map((mac) => <code key={mac}>{mac}</code>))],
                ['VLANs', listed(machine.vlans.map((vlan) => <Name key={vlan} of="vlan" value={vlan} />))],
                ['Slice', machine.slice],
                ['UUID', machine.uuid === null ? null : <code>{machine.uuid}</code>],
                ['Learnt from', machine.from.join(', ')],
                ['Last seen', machine.lastSeen === null ? null : agoText(machine.lastSeen, clock.now())],
              ]}
            />
          ) : (
            <p className="dim">
              No inventory entry has this name now. Flows that were given it when they came are still found.
            </p>
          )}
        </div>
      </Card>
      <PeersCard outFilter={filters.out} inFilter={filters.in} className="c7" />
      <div className="c5" style={{ display: 'grid', gap: 14, alignContent: 'start' }}>
        <SeriesCard title="Over time" filter={filters.any} over={OVER} className="" />
        <TopCard title="Services" by={SERVICES} filter={filters.any} className="" />
      </div>
    </>
  )
}
