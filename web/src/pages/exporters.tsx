// Who exports to us, and what became of what came.
import type { Exporter, ExportersAnswer, Health } from '../../../src/api/contract/system.ts'
import { useExporters, useHealth } from '../api/system.ts'
import { bytesText, countText, scaled } from '../figures/units.ts'
import { nameOf, protocolsText, samplingOf, stateOf } from '../names/exporters.ts'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Facts } from '../parts/facts.tsx'
import { Go } from '../parts/go.tsx'
import { Nothing } from '../parts/states.tsx'
import { Head } from '../subject/head.tsx'
import { ThingsTable } from '../subject/things-table.tsx'
import type { Column } from '../table/data-table.tsx'
import { useClock } from '../time/clock.tsx'
import { agoText } from '../time/zone.ts'

function perSecond(n: number): string {
  const { value, prefix } = scaled(n)
  return `${value}${prefix === '' ? '' : ` ${prefix}`}`
}

const USUAL_SORT = { column: 'state', descending: false } as const

export function Exporters() {
  const exporters = useExporters()
  const health = useHealth()
  const data = exporters.data
  return (
    <>
      <Head
        title="Exporters"
        note={
          data
            ? `${countText(data.exporters.filter((exporter) => exporter.state === 'heard').length)} heard of ${countText(data.total)}`
            : ''
        }
      />
      <Card title="All exporters" note="since the server started">
        <Answer of={exporters} height={200}>
          {(answer) =>
            answer.exporters.length === 0 ? (
              <Nothing>No exporter has been heard since the server started. The ports that listen stand below.</Nothing>
            ) : (
              <List answer={answer} />
            )
          }
        </Answer>
        {data && data.evicted > 0 ? (
          <div className="card-foot">
            {countText(data.evicted)} exporters that had long been silent were forgotten to keep memory bounded.
          </div>
        ) : null}
      </Card>
      <Listeners health={health.data} />
      <LedgerCard health={health.data} />
      <Refused answer={data} />
    </>
  )
}

function List({ answer }: { readonly answer: ExportersAnswer }) {
  const clock = useClock()
  const now = clock.now()
  const rank = { bad: 0, warn: 1, good: 2 } as const
  const columns: Column<Exporter>[] = [
    {
      id: 'name',
      head: 'Exporter',
      value: (row) => nameOf(row),
      cell: (row) => (
        <span style={{ display: 'inline-flex', alignItems: 'center', gap: 9 }}>
          <span className={`dot ${stateOf(row, now).state}`} aria-hidden="true" />
          <Go to={`/exporters/${encodeURIComponent(row.address)}`} className="name">
            {nameOf(row)}
          </Go>
        </span>
      ),
    },
    {
      id: 'state',
      head: 'State',
      value: (row) => rank[stateOf(row, now).state],
      cell: (row) => {
        const state = stateOf(row, now)
        return <span className={state.state === 'good' ? '' : state.state}>{state.text}</span>
      },
    },
    {
      id: 'address',
      wide: true,
      head: 'Address',
      value: (row) => row.address,
      cell: (row) => <span className="mono dim">{row.address}</span>,
    },
    {
      id: 'protocol',
      head: 'Protocol',
      value: (row) => protocolsText(row.protocols),
      cell: (row) => protocolsText(row.protocols),
    },
    {
      id: 'sampling',
      head: 'Sampling',
      value: (row) => row.sampling[0]?.rate ?? 0,
      cell: (row) => <span className={row.sampling.length === 0 ? 'dim' : ''}>{samplingOf(row)}</span>,
    },
    {
      id: 'datagrams',
      head: 'Datagrams/s',
      num: true,
      value: (row) => row.datagramsPerSecond,
      cell: (row) => perSecond(row.datagramsPerSecond),
    },
    {
      id: 'flows',
      head: 'Flows/s',
      num: true,
      value: (row) => row.flowsPerSecond,
      cell: (row) => perSecond(row.flowsPerSecond),
    },
    {
      id: 'lost',
      head: 'Lost',
      num: true,
      title: 'Gaps in the sequence numbers: lost before they reached this machine',
      value: (row) => row.lost,
      cell: (row) => <span className={row.lost > 0 ? 'warn' : 'dim'}>{countText(row.lost)}</span>,
    },
    {
      id: 'ports',
      wide: true,
      head: 'Ports',
      num: true,
      value: (row) => row.interfaces,
      title: 'Interfaces whose counters or names it told',
      cell: (row) => (row.interfaces === 0 ? <span className="dim">–</span> : countText(row.interfaces)),
    },
    {
      id: 'last',
      head: 'Last heard',
      num: true,
      value: (row) => row.lastHeard,
      cell: (row) => <span className="dim">{agoText(row.lastHeard, now)}</span>,
    },
  ]
  return (
    <ThingsTable
      label="Exporters"
      columns={columns}
      rows={answer.exporters}
      rowId={(row) => row.address}
      usual={USUAL_SORT}
      path={(row) => `/exporters/${encodeURIComponent(row.address)}`}
    />
  )
}

function Listeners({ health }: { readonly health: Health | undefined }) {
  return (
    <Card title="Listening" note="each takes sFlow, NetFlow and IPFIX" className="c7">
      <div className="table-wrap">
        <table className="grid" aria-label="Listeners">
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col" className="num">
                UDP port
              </th>
              <th scope="col">Receiver</th>
              <th scope="col" className="num">
                Datagrams
              </th>
              <th scope="col" className="num">
                Bytes
              </th>
              <th scope="col" className="num">
                Buffer
              </th>
              <th scope="col" className="num" title="Dropped by the kernel because the buffer was full">
                Dropped
              </th>
            </tr>
          </thead>
          <tbody>
            {(health?.listeners ?? []).map((listener) => (
              <tr key={`${listener.address} ${listener.port} ${listener.receiver}`}>
                <td className="mono">{listener.address}</td>
                <td className="num strong">{listener.port}</td>
                <td>{listener.receiver}</td>
                <td className="num">{countText(listener.datagrams)}</td>
                <td className="num">{bytesText(listener.bytes)}</td>
                <td className="num">{bytesText(listener.receiveBufferBytes)}</td>
                <td className={`num ${listener.kernelDropped > 0 ? 'bad strong' : 'dim'}`}>
                  {countText(listener.kernelDropped)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}

function Count({ n, wrong = false }: { readonly n: number; readonly wrong?: boolean }) {
  return <span className={`figures ${wrong && n > 0 ? 'bad strong' : ''}`}>{countText(n)}</span>
}

/** What came is what was stored, what waits, and what was dropped, with the reason. */
function LedgerCard({ health }: { readonly health: Health | undefined }) {
  if (!health) return null
  const { datagrams, flows, metrics } = health.ledger
  return (
    <Card title="Ledger" note="where everything went since the server started" className="c5">
      <div className="card-body">
        <Facts
          of={[
            ['Datagrams received', <Count key="1" n={datagrams.received} />],
            ['Dropped by the kernel', <Count key="2" n={datagrams.kernelDropped} wrong />],
            ['Rejected', <Count key="3" n={datagrams.rejected} wrong />],
            ['Flows decoded', <Count key="4" n={flows.decoded} />],
            ['Dropped, queue full', <Count key="5" n={flows.queueDropped} wrong />],
            ['Refused by the spool', <Count key="6" n={flows.spoolRefused} wrong />],
            ['Left from before, or the past of the demo', flows.other > 0 ? <Count key="10" n={flows.other} /> : null],
            ['Waiting in the spool', <Count key="7" n={flows.waiting} />],
            ['Stored', <Count key="8" n={flows.stored} />],
            [
              'Counters',
              <span key="9" className="figures">
                {countText(metrics.decoded)} decoded, {countText(metrics.stored)} stored
              </span>,
            ],
          ]}
        />
      </div>
    </Card>
  )
}

function Refused({ answer }: { readonly answer: ExportersAnswer | undefined }) {
  if (!answer || answer.refused.length === 0) return null
  return (
    <Card title="Refused" note="datagrams of no known exporter, and why">
      <div className="table-wrap">
        <table className="grid" aria-label="Refused datagrams">
          <thead>
            <tr>
              <th scope="col">Reason</th>
              <th scope="col">Code</th>
              <th scope="col" className="num">
                Datagrams
              </th>
            </tr>
          </thead>
          <tbody>
            {answer.refused.map((one) => (
              <tr key={one.code}>
                <td style={{ whiteSpace: 'normal' }}>{one.text}</td>
                <td>
                  <code className="dim">{one.code}</code>
                </td>
                <td className="num">{countText(one.count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Card>
  )
}
