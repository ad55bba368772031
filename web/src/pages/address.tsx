// One address, whoever it belongs to.
import { useParams } from '@tanstack/react-router'
import { useMachineIndex } from '../names/machine-index.ts'
import { useNamed } from '../names/named.tsx'
import { looksLikeAddress } from '../frame/palette-entries.ts'
import { Card } from '../parts/card.tsx'
import { Facts } from '../parts/facts.tsx'
import { Name } from '../parts/name.tsx'
import { Nothing } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { PeersCard } from '../subject/peers-card.tsx'
import { TopCard } from '../subject/top-card.tsx'
import { WaysCard } from '../subject/ways-card.tsx'

const SERVICES = ['service']
const MACS = ['src_mac', 'vlan']
const EXPORTERS = ['exporter']

export function AddressPage() {
  const { ip = '' } = useParams({ strict: false }) as { ip?: string }
  const machine = useMachineIndex().byAddress.get(ip)
  const named = useNamed('ip', looksLikeAddress(ip) ? ip : null)
  if (!looksLikeAddress(ip)) {
    return (
      <Card title="Not an address">
        <Nothing>“{ip}” is neither an IPv4 nor an IPv6 address.</Nothing>
      </Card>
    )
  }
  return (
    <>
      <Head title={ip} note={machine ? `of ${machine.name}` : 'not in the inventory'} filter={`ip ${ip}`} />
      <WaysCard outFilter={`src ip ${ip}`} inFilter={`dst ip ${ip}`} />
      <Card title="What is known" className="c4 lone stretch">
        <div className="card-body" style={{ display: 'grid', gap: 10 }}>
          {machine ? (
            <Facts
              of={[
                ['Machine', <Name key="m" of={machine.kind === 'host' ? 'host' : 'vm'} value={machine.name} />],
                ['Host', machine.host === null ? null : <Name key="h" of="host" value={machine.host} />],
                ['Kind', machine.kind],
              ]}
            />
          ) : (
            <p className="dim">No machine of the inventory has this address.</p>
          )}
          {named === undefined || named.title === '' ? null : <p>{named.title}</p>}
        </div>
        <TopCard title="Sends from" note="MAC and VLAN" by={MACS} filter={`src ip ${ip}`} limit={4} className="inner" />
      </Card>
      <PeersCard outFilter={`src ip ${ip}`} inFilter={`dst ip ${ip}`} className="c7" />
      <div className="c5" style={{ display: 'grid', gap: 14, alignContent: 'start' }}>
        <TopCard title="Services" by={SERVICES} filter={`ip ${ip}`} className="" />
        <TopCard title="Seen by" note="exporters" by={EXPORTERS} filter={`ip ${ip}`} uncounted className="" />
      </div>
    </>
  )
}
