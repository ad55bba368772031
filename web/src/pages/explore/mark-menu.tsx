// What happened at the mark that was clicked, and where it leads.
import { Menu } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { ExternalLink, ZoomIn } from 'lucide-react'
import type { Mark } from '../../chart/marks.ts'
import { useExporterNames } from '../../names/machine-index.ts'
import { useClock } from '../../time/clock.tsx'
import { momentText } from '../../time/zone.ts'

/** How much of the time before and after it is shown of an event. */
const AROUND_MS = 5 * 60_000
const MOST = 8

export interface MarkPicked {
  readonly mark: Mark
  readonly at: { readonly x: number; readonly y: number }
}

export function MarkMenu({
  picked,
  onClose,
}: {
  readonly picked: MarkPicked | undefined
  readonly onClose: () => void
}) {
  const navigate = useNavigate()
  const clock = useClock()
  const names = useExporterNames()
  if (!picked) return null
  const { events } = picked.mark
  const exporters = [...new Set(events.flatMap(({ exporter }) => (exporter === null ? [] : [exporter])))]
  const first = Math.min(...events.map(({ at, since }) => since ?? at))
  const zoom = () =>
    clock.setSpan({
      kind: 'between',
      from: first - AROUND_MS,
      to: Math.min(clock.now(), picked.mark.at + AROUND_MS),
    })
  return (
    <Menu opened onClose={onClose} position="bottom-start" withinPortal trapFocus returnFocus width={340}>
      <Menu.Target>
        <span className="pick-point" style={{ left: picked.at.x, top: picked.at.y }} />
      </Menu.Target>
      <Menu.Dropdown aria-label="What happened">
        {events.slice(0, MOST).map(({ at, text }, index) => (
          <Menu.Label key={`${at} ${index}`}>
            <time dateTime={new Date(at).toISOString()}>{momentText(at, clock.zone, true)}</time> {text}
          </Menu.Label>
        ))}
        {events.length > MOST ? <Menu.Label>and {events.length - MOST} more</Menu.Label> : null}
        <Menu.Item leftSection={<ZoomIn size={14} />} onClick={zoom}>
          Zoom to the minutes around it
        </Menu.Item>
        {exporters.slice(0, MOST).map((exporter) => (
          <Menu.Item
            key={exporter}
            leftSection={<ExternalLink size={14} />}
            onClick={() => void navigate({ to: '/exporters/$address', params: { address: exporter } })}
          >
            Page of {names.get(exporter) ?? exporter}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
