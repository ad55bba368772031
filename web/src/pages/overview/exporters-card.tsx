// Exporters at a glance: the ones that need a person first.
import { useExporters } from '../../api/system.ts'
import { countText } from '../../figures/units.ts'
import { nameOf, protocolsText, samplingOf, stateOf } from '../../names/exporters.ts'
import { Answer } from '../../parts/answer.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'

const MOST = 12
const RANK = { bad: 0, warn: 1, good: 2 } as const

export function ExportersCard() {
  const exporters = useExporters()
  return (
    <Card
      title="Exporters"
      note="heard, protocol, sampling"
      className="c5 stretch"
      end={
        <Go to="/exporters" className="link">
          All {countText(exporters.data?.total ?? 0)}
        </Go>
      }
    >
      <div className="card-body">
        <Answer of={exporters} height={200}>
          {(data) => (
            <div className="tiles">
              {data.exporters
                .map((exporter) => ({ exporter, state: stateOf(exporter, data.now) }))
                .sort(
                  (a, b) =>
                    RANK[a.state.state] - RANK[b.state.state] ||
                    nameOf(a.exporter).localeCompare(nameOf(b.exporter), 'en', { numeric: true }),
                )
                .slice(0, MOST)
                .map(({ exporter, state }) => (
                  <Go key={exporter.address} to={`/exporters/${encodeURIComponent(exporter.address)}`} className="tile">
                    <span className="tile-name">
                      <span className={`dot ${state.state}`} aria-hidden="true" />
                      <span className="truncate">{nameOf(exporter)}</span>
                    </span>
                    <p className="truncate">
                      {protocolsText(exporter.protocols)} · {samplingOf(exporter)}
                    </p>
                    <p className={`truncate ${state.state === 'good' ? '' : state.state}`}>
                      {state.state === 'good'
                        ? `${countText(exporter.interfaces)} ports · ${countText(exporter.flowsPerSecond)} flows/s`
                        : state.text}
                    </p>
                  </Go>
                ))}
              {data.exporters.length === 0 ? (
                <p className="dim">No exporter has been heard since the server started.</p>
              ) : null}
            </div>
          )}
        </Answer>
      </div>
    </Card>
  )
}
