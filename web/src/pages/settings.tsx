// How this console looks, and what server it speaks to.
import { useMantineColorScheme } from '@mantine/core'
import { useHealth } from '../api/system.ts'
import { bytesText, countText } from '../figures/units.ts'
import { SCHEMES } from '../frame/theme-menu.tsx'
import { Answer } from '../parts/answer.tsx'
import { Card } from '../parts/card.tsx'
import { Facts } from '../parts/facts.tsx'
import { Segments } from '../parts/segments.tsx'
import { Head } from '../subject/head.tsx'
import { withCommand } from '../frame/keys.ts'
import { useClock } from '../time/clock.tsx'
import { agoText, durationText, momentText } from '../time/zone.ts'
import { StorageCard } from './storage-card.tsx'

const LIVE = [
  { value: 'live', label: 'Follow the present' },
  { value: 'still', label: 'Hold still' },
] as const

export function Settings() {
  const clock = useClock()
  const health = useHealth()
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone
  return (
    <>
      <Head title="Settings" note="kept in this browser" />
      <Card title="This console" className="c6 stretch">
        <div className="card-body">
          <Facts
            of={[
              [
                'Colours',
                <Segments
                  key="c"
                  label="Colours"
                  value={colorScheme}
                  options={SCHEMES.map(({ value, label }) => ({ value, label }))}
                  onChange={setColorScheme}
                />,
              ],
              [
                'Time zone',
                <Segments
                  key="z"
                  label="Time zone"
                  value={clock.zone}
                  options={[
                    { value: 'local', label: zone === 'UTC' ? 'Browser (UTC)' : `Browser (${zone})` },
                    { value: 'utc', label: 'UTC' },
                  ]}
                  onChange={clock.setZone}
                />,
              ],
              [
                'Answers',
                <Segments
                  key="l"
                  label="Answers"
                  value={clock.live ? 'live' : 'still'}
                  options={LIVE}
                  onChange={(value) => clock.setLive(value === 'live')}
                />,
              ],
              [
                'Keys',
                <span key="k">
                  <kbd>{withCommand('K')}</kbd> or <kbd>/</kbd> finds everything; <kbd>↑</kbd> <kbd>↓</kbd>{' '}
                  <kbd>Enter</kbd> walk tables, <kbd>→</kbd> what a row offers; <kbd>{withCommand('↵')}</kbd> runs a
                  filter
                </span>,
              ],
            ]}
          />
        </div>
      </Card>
      <Card title="The server" className="c6 stretch">
        <div className="card-body">
          <Answer of={health} height={160}>
            {(data) => (
              <Facts
                of={[
                  ['Version', data.version],
                  ['Running for', durationText(data.now - data.startedAt)],
                  ['State', data.status === 'ok' ? 'all is well' : data.reasons.join(' ')],
                  [
                    'Store',
                    `${data.store.state}, ${countText(data.store.flows)} flows in ${bytesText(data.store.bytesOnDisk)}`,
                  ],
                  ['Oldest flow', data.store.oldest === null ? null : momentText(data.store.oldest, clock.zone)],
                  ['Newest flow', data.store.newest === null ? null : agoText(data.store.newest, data.now)],
                  [
                    'Spool',
                    `${countText(data.spool.rows)} flows in ${countText(data.spool.files)} ${data.spool.files === 1 ? 'file' : 'files'}, ${bytesText(data.spool.bytes)} of at most ${bytesText(data.spool.limitBytes)}`,
                  ],
                  [
                    'API',
                    <a key="a" className="link" href="/api/v1/openapi.json">
                      OpenAPI description
                    </a>,
                  ],
                  [
                    'Metrics',
                    <a key="m" className="link" href="/metrics">
                      for Prometheus
                    </a>,
                  ],
                ]}
              />
            )}
          </Answer>
        </div>
      </Card>
      <StorageCard />
    </>
  )
}
