// Nothing was ever heard: which addresses and ports listen, and what to set on the other side. Turns to life by itself.
import { useState } from 'react'
import type { Health } from '../../../src/api/contract/system.ts'
import { Card } from '../parts/card.tsx'
import { CopyButton } from '../parts/copy.tsx'
import { Segments } from '../parts/segments.tsx'
import { snippets } from './snippets.ts'

export function FirstStart({ health }: { readonly health: Health }) {
  const udp = health.listeners.filter(({ receiver }) => receiver !== 'tcp' && receiver !== 'tls')
  const ports = udp.map((listener) => listener.port)
  const server =
    location.hostname === 'localhost' || location.hostname === '127.0.0.1' || location.hostname === '[::1]'
      ? 'COLLECTOR'
      : location.hostname
  const all = snippets(server, {
    sflow: ports.includes(6343) ? 6343 : (ports[0] ?? 6343),
    netflow: ports.includes(2055) ? 2055 : (ports[0] ?? 2055),
    ipfix: ports.includes(4739) ? 4739 : (ports[0] ?? 4739),
  })
  const [chosen, setChosen] = useState(all[0]?.id ?? '')
  const snippet = all.find((one) => one.id === chosen)
  const datagrams = health.ledger.datagrams.received
  return (
    <>
      <div className="page-head">
        <h1>Waiting for the first flow</h1>
        <span className="dim" role="status">
          {datagrams === 0
            ? 'No datagram has come yet. This page turns to life by itself.'
            : `${datagrams.toLocaleString('en-GB')} datagrams came, but no flow could be read from them yet: templates may still be on their way, or see Exporters for the reasons.`}
        </span>
      </div>
      <Card
        title="Listening"
        note="sFlow v5, NetFlow v5, v9 and IPFIX on each, told apart by content"
        className="c5 stretch"
      >
        <table className="grid" aria-label="Listeners">
          <thead>
            <tr>
              <th scope="col">Address</th>
              <th scope="col" className="num">
                UDP port
              </th>
              <th scope="col" className="num">
                Datagrams
              </th>
            </tr>
          </thead>
          <tbody>
            {udp.map((listener) => (
              <tr key={`${listener.address} ${listener.port}`}>
                <td className="mono">{listener.address === '::' ? ':: (every address)' : listener.address}</td>
                <td className="num strong">{listener.port}</td>
                <td className="num">{listener.datagrams}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <div className="state small">
          {health.listeners.length === 0 ? (
            <span className="bad">Nothing listens: see the configuration and the log of the server.</span>
          ) : (
            <span>A firewall on this machine or between has to let UDP through to these ports.</span>
          )}
          <span>
            Only looking? <code>vnetscope serve --demo</code> adds a simulated data center as a live source.
          </span>
        </div>
      </Card>
      <Card title="Point an exporter here" className="c7 stretch">
        <div className="card-body" style={{ display: 'grid', gridTemplateColumns: 'minmax(0, 1fr)', gap: 10 }}>
          <div style={{ overflowX: 'auto' }}>
            <Segments
              label="Kind of exporter"
              value={chosen}
              options={all.map(({ id, label }) => ({ value: id, label }))}
              onChange={setChosen}
            />
          </div>
          {snippet ? (
            <>
              <p className="dim">{snippet.note}</p>
              <div style={{ position: 'relative' }}>
                <pre className="snippet" tabIndex={0}>
                  {snippet.text}
                </pre>
                <CopyButton text={snippet.text} className="copy" />
              </div>
              {server === 'COLLECTOR' ? (
                <p className="small dim">COLLECTOR stands for the address of this machine as the exporter sees it.</p>
              ) : null}
            </>
          ) : null}
        </div>
      </Card>
    </>
  )
}
