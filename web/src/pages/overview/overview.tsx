// How much, of what, between whom, is anything wrong, can the numbers be trusted.
import { useHealth } from '../../api/system.ts'
import { useTop } from '../../api/questions.ts'
import { Card } from '../../parts/card.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { FirstStart } from '../first-start.tsx'
import { Conversations } from './conversations-card.tsx'
import { ExportersCard } from './exporters-card.tsx'
import { KeyFigures } from './key-figures.tsx'
import { HostsCard, MachinesCard } from './busiest-card.tsx'
import { TalkCard } from './talk-card.tsx'
import { TrafficCards } from './traffic-cards.tsx'
import { WHERE_ASK, WhereCard } from './where-card.tsx'

export function Overview() {
  const health = useHealth().data
  const empty =
    health !== undefined &&
    health.store.flows === 0 &&
    health.ledger.flows.decoded === 0 &&
    health.store.newest === null
  const where = useTop(WHERE_ASK)
  if (empty) return <FirstStart health={health} />
  if (where.data && where.data.total.flows === 0 && !where.isPlaceholderData) {
    return (
      <>
        <h1 className="sr">Overview</h1>
        <KeyFigures />
        <Card title="Traffic" className="c7 stretch">
          <NothingInSpan />
        </Card>
        <ExportersCard />
      </>
    )
  }
  return (
    <>
      <h1 className="sr">Overview</h1>
      <KeyFigures />
      <TrafficCards />
      <WhereCard />
      <MachinesCard />
      <TalkCard />
      <HostsCard />
      <Conversations />
      <ExportersCard />
    </>
  )
}
