// The events of a picture in words: the marks alone say nothing to who can't point at them.
import { Link } from '@tanstack/react-router'
import type { EventsHeard } from '../../api/events.ts'
import { useClock } from '../../time/clock.tsx'
import { momentText } from '../../time/zone.ts'

export function EventList({ heard }: { readonly heard: EventsHeard }) {
  const { zone } = useClock()
  const { events, more } = heard
  if (events.length === 0) return null
  const [only] = events
  return (
    <details className="picture-events">
      <summary>
        <i className="key-event" aria-hidden="true" />{' '}
        {events.length === 1 && only
          ? `${momentText(only.at, zone)}: ${only.text}`
          : `${events.length}${more ? ' or more' : ''} events`}
      </summary>
      <ol>
        {events.toReversed().map((event, index) => (
          <li key={`${event.at} ${index}`}>
            <time dateTime={new Date(event.at).toISOString()}>{momentText(event.at, zone, true)}</time>{' '}
            {event.exporter === null ? (
              event.text
            ) : (
              <Link to="/exporters/$address" params={{ address: event.exporter }}>
                {event.text}
              </Link>
            )}
          </li>
        ))}
      </ol>
    </details>
  )
}
