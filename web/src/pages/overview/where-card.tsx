// How much stays inside a host, crosses hosts, or leaves.
import { useTop } from '../../api/questions.ts'
import { errorText, rateText, shareText } from '../../figures/units.ts'
import { LOCALITY } from '../../names/dimensions.ts'
import { Answer } from '../../parts/answer.tsx'
import { Bar } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { knownSeconds } from '../../time/known.ts'

export const WHERE_ASK = { by: ['locality'], metric: 'bytes', limit: 10 } as const
const ORDER = Object.keys(LOCALITY)
const COLOURS: Readonly<Record<string, string>> = {
  intra_host: 'var(--s0)',
  inter_host: 'var(--s1)',
  vm_physical: 'var(--s2)',
  vm_external: 'var(--s3)',
  external: 'var(--s6)',
  unknown: 'var(--other)',
}

export function WhereCard() {
  const top = useTop(WHERE_ASK)
  return (
    <Card
      title="Where it goes"
      note="by locality"
      className="c4 stretch"
      end={
        <Go to="/explore" search={{ by: 'locality' }} className="link">
          Explore
        </Go>
      }
    >
      <div className="card-body">
        <Answer of={top} height={200}>
          {(data) => {
            if (data.total.bytes === 0) return <NothingInSpan />
            const seconds = knownSeconds(data)
            const rows = [...data.rows].sort(
              (a, b) => ORDER.indexOf(String(a.key['locality'])) - ORDER.indexOf(String(b.key['locality'])),
            )
            return (
              <div className="meter-list">
                {rows.map((row) => {
                  const locality = String(row.key['locality'])
                  const words = LOCALITY[locality] ?? { name: locality, note: '' }
                  return (
                    <div key={locality} className="meter-row">
                      <div className="spread">
                        <span className="truncate">
                          <Go to="/explore" search={{ filter: `locality ${locality}`, by: 'src_vm' }} className="name">
                            {words.name}
                          </Go>{' '}
                          <span className="dim small">{words.note}</span>
                        </span>
                        <span
                          className="figures"
                          style={{ whiteSpace: 'nowrap' }}
                          title={errorText(row.bytes, row.low, row.high)}
                        >
                          {rateText('bytes', (row.bytes * 8) / seconds)}{' '}
                          <span className="dim small">{shareText(row.bytes / data.total.bytes, 0)}</span>
                        </span>
                      </div>
                      <Bar share={row.bytes / data.total.bytes} colour={COLOURS[locality] ?? 'var(--other)'} />
                    </div>
                  )
                })}
              </div>
            )
          }}
        </Answer>
      </div>
    </Card>
  )
}
