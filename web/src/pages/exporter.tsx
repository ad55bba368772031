// One exporter: its streams, templates, sampling, gaps, problems, and what it sees.
import { useParams } from '@tanstack/react-router'
import type { Exporter } from '../../../src/api/contract/system.ts'
import { useExporters } from '../api/system.ts'
import { countText, scaled } from '../figures/units.ts'
import { nameOf, protocolsText, ratesText, samplingOf, stateOf } from '../names/exporters.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Facts } from '../parts/facts.tsx'
import { Kpi } from '../parts/kpi.tsx'
import { Nothing } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { SeriesCard } from '../subject/series-card.tsx'
import { TopCard } from '../subject/top-card.tsx'
import { useClock } from '../time/clock.tsx'
import { agoText, momentText } from '../time/zone.ts'

const OVER = [
  { value: 'vlan', label: 'VLAN' },
  { value: 'in_if', label: 'In interface' },
  { value: 'out_if', label: 'Out interface' },
  { value: 'service', label: 'Service' },
]
const PORTS = ['in_if', 'out_if']

export function ExporterPage() {
  const { address = '' } = useParams({ strict: false }) as { address?: string }
  const exporters = useExporters()
  const exporter = exporters.data?.exporters.find((one) => one.address === address || one.name === address)
  const filter = `exporter ${exporter?.address ?? address}`
  return (
    <>
      <Head
        title={exporter ? nameOf(exporter) : address}
        note={exporter && exporter.name !== null ? exporter.address : undefined}
        filter={filter}
      />
      {exporter ? null : (
        <Card title="Not heard">
          <Answer of={exporters} height={40}>
            {() => <Nothing>This exporter has not been heard since the server started.</Nothing>}
          </Answer>
        </Card>
      )}
      {exporter ? <Figures exporter={exporter} /> : null}
      <SeriesCard title="What it sees" filter={filter} over={OVER} />
      {exporter ? <StateCard exporter={exporter} /> : null}
      <TopCard
        title="Between its ports"
        note="in and out interface"
        by={PORTS}
        filter={filter}
        uncounted
        className="c6 stretch"
      />
      {exporter ? <Problems exporter={exporter} /> : null}
      {exporter
        ? exporter.streams.map((stream) => (
            <StreamCard key={`${stream.protocol} ${stream.sourcePort} ${stream.observation}`} stream={stream} />
          ))
        : null}
    </>
  )
}

function Figures({ exporter }: { readonly exporter: Exporter }) {
  const clock = useClock()
  const state = stateOf(exporter, clock.now())
  const flows = scaled(exporter.flowsPerSecond)
  const datagrams = scaled(exporter.datagramsPerSecond)
  return (
    <section className="kpis" aria-label="Key figures">
      <Kpi
        label="State"
        value={state.state === 'bad' ? 'Silent' : 'Heard'}
        note={`last ${agoText(exporter.lastHeard, clock.now())}`}
        state={state.state === 'bad' ? 'bad' : undefined}
      />
      <Kpi label="Flows" value={flows.value} unit={`${flows.prefix}/s`} note={`${countText(exporter.flows)} in all`} />
      <Kpi
        label="Datagrams"
        value={datagrams.value}
        unit={`${datagrams.prefix}/s`}
        note={`${countText(exporter.datagrams)} in all`}
      />
      <Kpi
        label="Lost before us"
        value={countText(exporter.lost)}
        note="gaps in sequence numbers"
        state={exporter.lost > 0 ? 'warn' : undefined}
      />
      <Kpi
        label="Ports"
        value={exporter.interfaces === 0 ? '–' : countText(exporter.interfaces)}
        note={exporter.interfaces === 0 ? 'it told of none' : 'it told of'}
      />
    </section>
  )
}

function StateCard({ exporter }: { readonly exporter: Exporter }) {
  const clock = useClock()
  return (
    <Card title="What is known" className="c4 lone stretch">
      <div className="card-body">
        <Facts
          of={[
            ['Address', <code key="a">{exporter.address}</code>],
            ['Protocol', protocolsText(exporter.protocols)],
            ['Sampling', samplingOf(exporter)],
            [
              'Told by',
              exporter.sampling.length === 0
                ? null
                : [...new Set(exporter.sampling.map((sampling) => sampling.from))].join(', '),
            ],
            ['First heard', momentText(exporter.firstHeard, clock.zone, true)],
            ['Last heard', momentText(exporter.lastHeard, clock.zone, true)],
            ['Streams', countText(exporter.streams.length)],
          ]}
        />
      </div>
    </Card>
  )
}

function Problems({ exporter }: { readonly exporter: Exporter }) {
  const problems = Object.entries(exporter.problems).sort((a, b) => b[1].count - a[1].count)
  return (
    <Card title="Problems" note="what could not be read, and why" className="c6 stretch">
      {problems.length === 0 ? (
        <Nothing>None: everything it sent could be read.</Nothing>
      ) : (
        <div className="table-wrap">
          <table className="grid" aria-label="Problems">
            <thead>
              <tr>
                <th scope="col">Reason</th>
                <th scope="col">Code</th>
                <th scope="col" className="num">
                  Times
                </th>
              </tr>
            </thead>
            <tbody>
              {problems.map(([code, problem]) => (
                <tr key={code}>
                  <td style={{ whiteSpace: 'normal' }}>{problem.text}</td>
                  <td>
                    <code className="dim">{code}</code>
                  </td>
                  <td className="num warn">{countText(problem.count)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Card>
  )
}

function StreamCard({ stream }: { readonly stream: Exporter['streams'][number] }) {
  const clock = useClock()
  const kind =
    stream.protocol === 'sflow'
      ? 'sub-agent'
      : stream.protocol === 'ipfix'
        ? 'observation domain'
        : stream.protocol === 'netflow9'
          ? 'source'
          : 'engine'
  return (
    <Card
      title={`${protocolsText([stream.protocol])}, ${kind} ${stream.observation}`}
      note={`from port ${stream.sourcePort}, heard ${agoText(stream.lastHeard, clock.now())}`}
      className={stream.templates.length > 0 ? '' : 'c6'}
    >
      <div className="card-body">
        <Facts
          of={[
            ['Datagrams', countText(stream.datagrams)],
            ['Flows', countText(stream.flows)],
            [stream.protocol === 'sflow' ? 'Counter and other samples' : 'Other records', countText(stream.others)],
            ['Sampling', stream.sampling.length === 0 ? 'none named' : ratesText(stream)],
            ['Lost, reordered', `${countText(stream.lost)}, ${countText(stream.reordered)}`],
            ['Restarts', stream.restarts > 0 ? countText(stream.restarts) : null],
            ['Waiting for a template', stream.pending > 0 ? countText(stream.pending) : null],
          ]}
        />
      </div>
      {stream.templates.length > 0 ? (
        <div className="table-wrap">
          <table className="grid" aria-label="Templates">
            <thead>
              <tr>
                <th scope="col" className="num">
                  Template
                </th>
                <th scope="col">Kind</th>
                <th scope="col" className="num">
                  Fields
                </th>
                <th scope="col">Layout</th>
              </tr>
            </thead>
            <tbody>
              {stream.templates.map((template, index) => (
                <tr key={index}>
                  <td className="num">{template.id}</td>
                  <td>{template.kind}</td>
                  <td className="num">{template.fields}</td>
                  <td style={{ whiteSpace: 'normal' }}>
                    <code className="dim">{template.text}</code>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      ) : null}
    </Card>
  )
}
