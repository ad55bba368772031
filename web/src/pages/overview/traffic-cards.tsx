// Traffic over time by one dimension, and the table of the same beside it.
import { useMemo } from 'react'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useSeries } from '../../api/questions.ts'
import type { Answered } from '../../api/questions.ts'
import type { SeriesAnswer } from '../../../../src/api/contract/query.ts'
import { wholeBuckets } from '../../chart/layers.ts'
import { SeriesChart } from '../../chart/series-chart.tsx'
import { rateText } from '../../figures/units.ts'
import { LOCALITY, valueText } from '../../names/dimensions.ts'
import { Answer, Provenance } from '../../parts/answer.tsx'
import { Bar } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { usePaint } from '../../parts/colours.tsx'
import { Go } from '../../parts/go.tsx'
import { Name } from '../../parts/name.tsx'
import { Segments } from '../../parts/segments.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { useClock } from '../../time/clock.tsx'
import { spanText } from '../../time/span.ts'
import { knownSeconds } from '../../time/known.ts'

const OVER = [
  { value: 'vlan', label: 'VLAN' },
  { value: 'locality', label: 'Locality' },
  { value: 'src_host', label: 'Host' },
  { value: 'service', label: 'Service' },
] as const
type Over = (typeof OVER)[number]['value']
const BY: Readonly<Record<Over, readonly string[]>> = {
  vlan: ['vlan'],
  locality: ['locality'],
  src_host: ['src_host'],
  service: ['service'],
}
const TITLES: Readonly<Record<Over, string>> = {
  vlan: 'VLANs',
  locality: 'Localities',
  src_host: 'Sending hosts',
  service: 'Services',
}

export function TrafficCards() {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const over: Over = OVER.find((option) => option.value === search['over'])?.value ?? 'vlan'
  const series = useSeries({ by: BY[over], metric: 'bytes', limit: 7 })
  const choose = (next: Over) =>
    void navigate({
      to: '.',
      search: ((was: object) => ({ ...was, over: next === 'vlan' ? '' : next })) as never,
      replace: true,
    })
  return (
    <>
      <Card
        title="Traffic over time"
        note="bits a second; drag to zoom"
        className="c8 stretch"
        end={
          <>
            <Segments label="By" value={over} options={OVER} onChange={choose} tight />
            <Go to="/explore" search={{ by: over }} className="link">
              Open in Explore
            </Go>
          </>
        }
        foot={<Provenance of={series} />}
      >
        <Answer of={series} height={230}>
          {(data) =>
            data.total.flows === 0 ? <NothingInSpan /> : <SeriesChart answer={data} metric="bytes" height={230} />
          }
        </Answer>
      </Card>
      <BesideCard series={series.data} over={over} />
    </>
  )
}

function BesideCard({ series, over }: { readonly series: Answered<SeriesAnswer> | undefined; readonly over: Over }) {
  const clock = useClock()
  const rows = useMemo(() => (series ? rowsOf(series) : []), [series])
  const keys = useMemo(() => rows.filter((row) => !row.other).map((row) => row.key), [rows])
  const columns = series?.columns ?? BY[over]
  const paint = usePaint(columns, keys)
  const column = columns[0] ?? over
  const most = Math.max(1, ...rows.map((row) => row.average))
  const all =
    over === 'vlan' ? (
      <Go to="/vlans" className="link">
        All VLANs
      </Go>
    ) : undefined
  return (
    <Card
      title={TITLES[over]}
      note={`average, ${spanText(clock.span, clock.now(), clock.zone).toLowerCase()}`}
      className="c4 stretch"
      {...(all ? { end: all } : {})}
    >
      <div className="table-wrap">
        <table className="grid" aria-label={TITLES[over]}>
          <thead>
            <tr>
              <th scope="col">Name</th>
              <th scope="col" className="num">
                Now
              </th>
              <th scope="col" className="num">
                Average
              </th>
              <th scope="col" className="bar-here">
                <span className="sr">Share</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <td className="cell-name">
                  <span
                    className="swatch"
                    style={{ background: row.other ? 'var(--other)' : paint(row.key) }}
                    aria-hidden="true"
                  />
                  {row.other ? (
                    <span className="strong">other</span>
                  ) : (
                    <Named column={column} value={row.key[column]} />
                  )}
                </td>
                <td className="num">{rateText('bytes', row.now)}</td>
                <td className="num">{rateText('bytes', row.average)}</td>
                <td className="bar-here">
                  <Bar share={row.average / most} colour={row.other ? 'var(--other)' : paint(row.key)} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function Named({
  column,
  value,
}: {
  readonly column: string
  readonly value: string | number | boolean | null | undefined
}) {
  if (column === 'locality')
    return (
      <Go to="/explore" search={{ filter: `locality ${String(value)}` }} className="name">
        {LOCALITY[String(value)]?.name ?? valueText(column, value)}
      </Go>
    )
  if (column === 'service')
    return (
      <Go to="/explore" search={{ filter: `service ${String(value)}`, by: 'src_vm' }} className="name">
        {valueText(column, value)}
      </Go>
    )
  return <Name of={column} value={value} />
}

interface BesideRow {
  readonly id: string
  readonly key: Readonly<Record<string, string | number | boolean | null>>
  readonly other: boolean
  readonly now: number | null
  readonly average: number
}

/** Now (the last bucket that is all in) and the average of each series, the largest first. */
export function rowsOf(series: Answered<SeriesAnswer>): BesideRow[] {
  const { complete } = wholeBuckets(series)
  const seconds = knownSeconds(series)
  return series.series
    .map((one) => ({
      id: one.other ? '\u0000other' : JSON.stringify(one.key),
      key: one.key,
      other: one.other,
      now: one.values[complete - 1] ?? null,
      average: (one.total.bytes * 8) / seconds,
    }))
    .sort((a, b) => Number(a.other) - Number(b.other) || b.average - a.average)
}
