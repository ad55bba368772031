// With whom a thing talks: what goes to each and what comes back.
import { useMemo } from 'react'
import { useTop } from '../api/questions.ts'
import type { Peer } from './ways.ts'
import { peersOf } from './ways.ts'
import { countText } from '../figures/units.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { EndName } from '../parts/end-name.tsx'
import { Name } from '../parts/name.tsx'
import { useMachineIndex } from '../names/machine-index.ts'
import { NothingInSpan } from '../parts/states.tsx'
import { endsColumns } from './ends-columns.tsx'
import { DataTable } from '../table/data-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { knownSeconds } from '../time/known.ts'

const SENT = ['dst_vm', 'dst_addr']
const RECEIVED = ['src_vm', 'src_addr']

type PeerRow = Peer & { readonly name: string; readonly peers: number }

export function PeersCard({
  outFilter,
  inFilter,
  limit = 15,
  className = 'c8 stretch',
}: {
  readonly outFilter: string
  readonly inFilter: string
  readonly limit?: number
  readonly className?: string
}) {
  const machines = useMachineIndex()
  const sent = useTop({ by: SENT, filter: outFilter, metric: 'bytes', limit: 1000 })
  const received = useTop({ by: RECEIVED, filter: inFilter, metric: 'bytes', limit: 1000 })
  const all = useMemo(() => {
    if (!sent.data || !received.data) return undefined
    const scale = 8 / knownSeconds(sent.data)
    return peersOf(sent.data, received.data).map((peer): PeerRow => ({
      ...peer,
      out: peer.out * scale,
      in: peer.in * scale,
      name: peer.id,
      peers: 0,
    }))
  }, [sent.data, received.data])
  const shown = {
    data: all,
    error: sent.error ?? received.error,
    isPlaceholderData: sent.isPlaceholderData || received.isPlaceholderData,
    errorUpdatedAt: sent.errorUpdatedAt,
    refetch: () => Promise.all([sent.refetch(), received.refetch()]),
  }
  return (
    <Card
      title="Talks to"
      note={all ? `${countText(all.length)} peers; out is to the peer, in is from it` : ''}
      className={className}
    >
      <Answer of={shown} height={200}>
        {(peers) => {
          if (peers.length === 0) return <NothingInSpan />
          const rows = peers.slice(0, limit)
          const columns: Column<PeerRow>[] = [
            { id: 'name', head: 'Peer', cell: (row) => <EndName vm={row.vm} address={row.address} /> },
            {
              id: 'address',
              wide: true,
              head: 'Address',
              cell: (row) =>
                row.vm || machines.byAddress.has(String(row.address)) ? (
                  <span className="dim">
                    <Name of="ip" value={row.address} strong={false} />
                  </span>
                ) : (
                  <span className="dim">not in the inventory</span>
                ),
            },
            ...endsColumns<PeerRow>(Math.max(1, ...rows.flatMap((row) => [row.out, row.in]))),
          ]
          return <DataTable label="Peers" columns={columns} rows={rows} rowId={(row) => row.id} />
        }}
      </Answer>
    </Card>
  )
}
