// The strip of key figures. With a span that follows the present, "now" is the last minute that is all in.
import { useMemo } from 'react'
import { useTop } from '../../api/questions.ts'
import { useExporters, useHealth, useInventory } from '../../api/system.ts'
import type { ExportersAnswer, Health } from '../../../../src/api/contract/system.ts'
import { countText, rateFigure, rateText, samplingText, scaled, shareText } from '../../figures/units.ts'
import { Kpi } from '../../parts/kpi.tsx'
import { useEnds } from '../../subject/use-ends.ts'
import { Failure } from '../../parts/states.tsx'
import { useClock } from '../../time/clock.tsx'
import { spanText } from '../../time/span.ts'
import { durationText } from '../../time/zone.ts'
import { SETTLE_MS } from '../../chart/layers.ts'
import { knownSeconds } from '../../time/known.ts'

const MINUTE = { kind: 'last', ms: 60_000 } as const
const BY_LOCALITY = ['locality']

export function KeyFigures() {
  const clock = useClock()
  const past = clock.span.kind === 'between'
  const now = useTop({
    by: BY_LOCALITY,
    metric: 'bytes',
    limit: 10,
    ...(past ? {} : { span: MINUTE, lagMs: SETTLE_MS }),
  })
  const machines = useEnds('src_vm', 'dst_vm')
  const inventory = useInventory().data
  const exporters = useExporters().data
  const health = useHealth().data
  const vms = inventory?.machines.filter((machine) => machine.kind === 'vm').length
  const data = now.data
  const seconds = data ? knownSeconds(data) : 1
  const bits = rateFigure('bytes', ((data?.total.bytes ?? 0) * 8) / seconds, 4)
  const packets = scaled((data?.total.packets ?? 0) / seconds)
  const inside = data?.rows.find((row) => row.key['locality'] === 'intra_host')
  const half = data ? ((data.total.high - data.total.low) / 2) * (8 / seconds) : 0
  return (
    <>
      {now.error && now.data === undefined ? (
        <div className="card">
          <Failure error={now.error} since={now.errorUpdatedAt} retry={() => void now.refetch()} />
        </div>
      ) : null}
      <section className="kpis" aria-label="Key figures">
        <Kpi
          label={past ? 'Traffic, average' : 'Traffic now'}
          value={data ? bits.value : '–'}
          {...(data ? { unit: bits.unit } : {})}
          note={
            data
              ? half > 0
                ? `± ${rateText('bytes', half, 2)}, ${samplingText(data.samplingRates)}`
                : samplingText(data.samplingRates)
              : ''
          }
          to="/explore"
        />
        <Kpi
          label="Packets"
          value={data ? packets.value : '–'}
          unit={`${packets.prefix}/s`}
          note={
            data && data.total.packets > 0
              ? `${countText(data.total.bytes / data.total.packets)} bytes each on average`
              : ''
          }
          to="/explore"
          search={{ metric: 'packets' }}
        />
        <Kpi
          label="Stays inside a host"
          value={
            data && data.total.bytes > 0 ? shareText((inside?.bytes ?? 0) / data.total.bytes, 0).replace(' %', '') : '–'
          }
          unit="%"
          note={data ? `${rateText('bytes', ((inside?.bytes ?? 0) * 8) / seconds)} on no wire` : ''}
          to="/explore"
          search={{ filter: 'locality intra_host', by: 'src_host' }}
        />
        <Kpi
          label="Machines talking"
          value={machines.data ? countText(machines.data.length) : '–'}
          {...(vms === undefined || vms === 0
            ? {}
            : { unit: `of ${countText(Math.max(vms, machines.data?.length ?? 0))}` })}
          note={past ? 'in the time shown' : `in the ${spanText(clock.span, 0, clock.zone).toLowerCase()}`}
          to="/machines"
        />
        <ExportersHeard exporters={exporters} />
        <Lost health={health} exporters={exporters} />
      </section>
    </>
  )
}

function ExportersHeard({ exporters }: { readonly exporters: ExportersAnswer | undefined }) {
  const heard = exporters?.exporters.filter((exporter) => exporter.state === 'heard').length ?? 0
  const silent = exporters?.exporters.filter((exporter) => exporter.state === 'silent') ?? []
  const first = silent[0]
  const note = useMemo(() => {
    if (!exporters || exporters.total === 0) return 'none since the start'
    if (!first) return 'all of them'
    const name = first.name ?? first.address
    return `${name}${silent.length > 1 ? ` and ${silent.length - 1} more` : ''} silent for ${durationText(exporters.now - first.lastHeard)}`
  }, [exporters, first, silent.length])
  return (
    <Kpi
      label="Exporters heard"
      value={exporters ? countText(heard) : '–'}
      unit={exporters ? `of ${countText(exporters.total)}` : ''}
      note={note}
      state={first ? 'warn' : undefined}
      to="/exporters"
    />
  )
}

/** What the ledger and the exporters' sequence numbers say has not arrived. */
export function lossOf(health: Health, exporters: ExportersAnswer): { share: number; gaps: number; dropped: number } {
  const gaps = exporters.exporters.reduce((sum, exporter) => sum + exporter.lost, 0)
  const { datagrams, flows } = health.ledger
  const dropped = flows.queueDropped + flows.spoolRefused
  const missing = gaps + datagrams.kernelDropped
  const byDatagram = missing / Math.max(1, datagrams.received + missing)
  const byFlow = dropped / Math.max(1, flows.decoded)
  return { share: 1 - (1 - byDatagram) * (1 - byFlow), gaps, dropped: dropped + datagrams.kernelDropped }
}

function Lost({
  health,
  exporters,
}: {
  readonly health: Health | undefined
  readonly exporters: ExportersAnswer | undefined
}) {
  if (!health || !exporters) return <Kpi label="Lost on the way" value="–" />
  const { share, gaps, dropped } = lossOf(health, exporters)
  return (
    <Kpi
      label="Lost on the way"
      value={share > 0 && share < 0.0001 ? '< 0.01' : (share * 100).toFixed(2)}
      unit="%"
      note={`${countText(gaps)} before us, ${countText(dropped)} here`}
      state={dropped > 0 ? 'bad' : share > 0.001 ? 'warn' : undefined}
      to="/exporters"
    />
  )
}
