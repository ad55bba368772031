// Who talks to whom, host to host or machine to machine.
import { useNavigate, useSearch } from '@tanstack/react-router'
import { useTop } from '../../api/questions.ts'
import { SankeyChart } from '../../chart/sankey-chart.tsx'
import { Answer } from '../../parts/answer.tsx'
import { Card } from '../../parts/card.tsx'
import { Go } from '../../parts/go.tsx'
import { Segments } from '../../parts/segments.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { pairsAsk } from '../../subject/use-ends.ts'
import { pathOf } from '../../names/dimensions.ts'
import { knownSeconds } from '../../time/known.ts'

const ENDS = [
  { value: 'host', label: 'Hosts' },
  { value: 'vm', label: 'Machines' },
] as const
type End = (typeof ENDS)[number]['value']
const BY: Readonly<Record<End, readonly string[]>> = { host: ['src_host', 'dst_host'], vm: ['src_vm', 'dst_vm'] }

export function TalkCard() {
  const search = useSearch({ strict: false }) as Record<string, string>
  const navigate = useNavigate()
  const end: End = search['talk'] === 'vm' ? 'vm' : 'host'
  // The same question as that of the busiest machines and hosts, so it is asked once.
  const matrix = useTop(pairsAsk(BY[end]))
  const choose = (next: End) =>
    void navigate({
      to: '.',
      search: ((was: object) => ({ ...was, talk: next === 'host' ? '' : next })) as never,
      replace: true,
    })
  return (
    <Card
      title="Who talks to whom"
      note="sender to receiver"
      className="c7 stretch"
      end={
        <>
          <Segments label="Between" value={end} options={ENDS} onChange={choose} tight />
          <Go to="/explore" search={{ by: BY[end].join(','), chart: 'sankey', top: '50' }} className="link">
            Explore
          </Go>
        </>
      }
    >
      <div className="card-body">
        <Answer of={matrix} height={270}>
          {(data) =>
            data.rows.length === 0 ? (
              <NothingInSpan />
            ) : (
              <SankeyChart
                columns={data.columns}
                rows={data.rows}
                metric="bytes"
                seconds={knownSeconds(data)}
                height={270}
                most={end === 'host' ? 48 : 26}
                onPick={(key) => {
                  const [column = '', value] = Object.entries(key)[0] ?? []
                  const path = pathOf(column, value)
                  if (path !== undefined) void navigate({ to: path as never })
                }}
              />
            )
          }
        </Answer>
      </div>
    </Card>
  )
}
