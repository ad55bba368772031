// Every machine: virtual ones and the physical ones that are named.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { useInventory } from '../api/system.ts'
import { countText } from '../figures/units.ts'
import type { Machine } from '../names/machine-index.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Name } from '../parts/name.tsx'
import { Nothing } from '../parts/states.tsx'
import { endsColumns } from '../subject/ends-columns.tsx'
import { Head } from '../subject/head.tsx'
import { seenColumn, ThingsTable } from '../subject/things-table.tsx'
import { useEnds } from '../subject/use-ends.ts'
import type { Column } from '../table/data-table.tsx'

interface MachineRow {
  readonly name: string
  readonly machine: Machine | undefined
  readonly out: number
  readonly in: number
  readonly peers: number
}

export function Machines() {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const inventory = useInventory().data
  const ends = useEnds('src_vm', 'dst_vm')
  const asked = (search['find'] ?? '').toLowerCase()
  const rows = useMemo(() => {
    const all = new Map<string, MachineRow>()
    for (const machine of inventory?.machines ?? [])
      if (machine.kind !== 'host') all.set(machine.name, { name: machine.name, machine, out: 0, in: 0, peers: 0 })
    for (const end of ends.data ?? []) all.set(end.name, { ...end, machine: all.get(end.name)?.machine })
    return [...all.values()]
      .filter(({ name, machine }) =>
        `${name} ${machine?.host ?? ''} ${machine?.addresses.join(' ') ?? ''} ${machine?.macs.join(' ') ?? ''}`
          .toLowerCase()
          .includes(asked),
      )
      .sort((a, b) => b.out + b.in - (a.out + a.in) || a.name.localeCompare(b.name, 'en', { numeric: true }))
  }, [inventory, ends.data, asked])
  const set = (next: Record<string, string>) =>
    void navigate({ to: '.', search: ((was: object) => ({ ...was, ...next })) as never, replace: true })
  const ready = inventory !== undefined || ends.data !== undefined
  return (
    <>
      <Head title="Machines" note="bits a second, average over the time shown" />
      <Card
        title={`${countText(rows.length)} machines`}
        end={
          <input
            className="field"
            style={{ width: 220 }}
            type="search"
            aria-label="Find among the machines"
            placeholder="Name, host, address or MAC"
            value={search['find'] ?? ''}
            onChange={(event) => set({ find: event.currentTarget.value })}
          />
        }
      >
        <Answer of={{ ...ends, data: ready ? rows : undefined }} height={300}>
          {(all) => {
            if (all.length === 0)
              return (
                <Nothing>
                  {asked === ''
                    ? 'No machine is known yet. They are learnt from sFlow host structures, or listed in the configuration.'
                    : 'No machine has that in its name, host, address or MAC.'}
                </Nothing>
              )
            const columns: Column<MachineRow>[] = [
              {
                id: 'name',
                head: 'Machine',
                value: (row) => row.name,
                cell: (row) => <Name of="vm" value={row.name} />,
              },
              {
                id: 'host',
                wide: true,
                head: 'Host',
                value: (row) => row.machine?.host ?? (row.machine?.kind === 'physical' ? 'physical' : ''),
                cell: (row) =>
                  row.machine?.host ? (
                    <Name of="host" value={row.machine.host} strong={false} />
                  ) : (
                    <span className="dim">{row.machine?.kind === 'physical' ? 'physical' : '–'}</span>
                  ),
              },
              {
                id: 'address',
                wide: true,
                head: 'Address',
                value: (row) => row.machine?.addresses[0] ?? '',
                cell: (row) =>
                  row.machine?.addresses[0] ? (
                    <Name of="ip" value={row.machine.addresses[0]} strong={false} />
                  ) : (
                    <span className="mono dim">{row.machine?.macs[0] ?? '–'}</span>
                  ),
              },
              ...endsColumns<MachineRow>(Math.max(1, ...all.flatMap((row) => [row.out, row.in]))),
              {
                id: 'peers',
                head: 'Peers',
                num: true,
                title: 'Machines it talked with',
                value: (row) => row.peers,
                cell: (row) => countText(row.peers),
              },
              seenColumn<MachineRow>((row) => row.machine?.lastSeen, { wide: true }),
            ]
            return (
              <ThingsTable
                label="Machines"
                tall
                columns={columns}
                rows={all}
                rowId={(row) => row.name}
                path={(row) => `/machines/${encodeURIComponent(row.name)}`}
              />
            )
          }}
        </Answer>
      </Card>
    </>
  )
}
