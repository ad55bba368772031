// Every VLAN that was seen or named.
import { useMemo } from 'react'
import { useTop } from '../api/questions.ts'
import { useInventory } from '../api/system.ts'
import { SERIES } from '../figures/colours.ts'
import { errorText, rateText, shareText } from '../figures/units.ts'
import { Answer } from '../parts/answer.tsx'
import { Bar } from '../parts/bars.tsx'
import { Card } from '../parts/card.tsx'
import { usePaint } from '../parts/colours.tsx'
import { Name } from '../parts/name.tsx'
import { Nothing } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { seenColumn, ThingsTable } from '../subject/things-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { knownSeconds } from '../time/known.ts'

interface VlanRow {
  readonly id: number
  readonly name: string | null
  readonly rate: number
  readonly share: number
  readonly error: string
  readonly lastSeen: number | null
}

const BY = ['vlan']
const OVER = [{ value: 'vlan', label: 'VLAN' }]

export function Vlans() {
  const top = useTop({ by: BY, metric: 'bytes', limit: 4096 })
  const known = useInventory().data?.vlans
  const rows = useMemo(() => {
    if (!top.data) return undefined
    const scale = 8 / knownSeconds(top.data)
    const total = Math.max(1, top.data.total.bytes)
    const all = new Map<number, VlanRow>()
    for (const vlan of known ?? []) all.set(vlan.id, { ...vlan, rate: 0, share: 0, error: '–' })
    for (const row of top.data.rows) {
      const id = Number(row.key['vlan'])
      const was = all.get(id)
      all.set(id, {
        id,
        name: was?.name ?? null,
        lastSeen: was?.lastSeen ?? null,
        rate: row.bytes * scale,
        share: row.bytes / total,
        error: errorText(row.bytes, row.low, row.high),
      })
    }
    return [...all.values()].sort((a, b) => b.rate - a.rate)
  }, [top.data, known])
  const paint = usePaint(
    BY,
    // No more than the picture above draws by themselves: what is in its grey has it here, too.
    useMemo(() => (rows ?? []).slice(0, SERIES).map((row) => ({ vlan: row.id })), [rows]),
  )
  return (
    <>
      <Head title="VLANs" note="each packet counted once, on the VLAN it came in by" />
      <SeriesCard title="Traffic by VLAN" filter="" over={OVER} className="" />
      <Card title="All VLANs" note="average over the time shown">
        <Answer of={{ ...top, data: rows }} height={200}>
          {(all) => {
            if (all.length === 0) return <Nothing>No VLAN has been seen yet.</Nothing>
            const most = Math.max(1, ...all.map((row) => row.rate))
            const columns: Column<VlanRow>[] = [
              {
                id: 'id',
                head: 'VLAN',
                value: (row) => row.id,
                cell: (row) => (
                  <>
                    <span className="swatch" style={{ background: paint({ vlan: row.id }) }} aria-hidden="true" />
                    {row.id === 0 ? <span className="dim">untagged</span> : <Name of="vlan" value={row.id} />}
                  </>
                ),
              },
              {
                id: 'rate',
                head: 'Average',
                num: true,
                value: (row) => row.rate,
                cell: (row) => rateText('bytes', row.rate),
              },
              {
                id: 'error',
                head: '± 95 %',
                num: true,
                cell: (row) => <span className="dim">{row.error.replace('± ', '')}</span>,
              },
              { id: 'share', head: 'Share', num: true, value: (row) => row.share, cell: (row) => shareText(row.share) },
              { id: 'bar', head: '', cell: (row) => <Bar share={row.rate / most} colour={paint({ vlan: row.id })} /> },
              seenColumn<VlanRow>((row) => row.lastSeen),
            ]
            return (
              <ThingsTable
                label="VLANs"
                columns={columns}
                rows={all}
                rowId={(row) => String(row.id)}
                path={(row) => `/vlans/${row.id}`}
              />
            )
          }}
        </Answer>
      </Card>
    </>
  )
}
