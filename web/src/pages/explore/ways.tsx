// The ways to take an answer along: as a file, as a command, as an API call.
import { useClock } from '../../time/clock.tsx'
import { durationCode } from '../../time/span.ts'
import type { Bounds, Span } from '../../time/span.ts'
import { ExportMenu } from '../../parts/export-menu.tsx'
import type { Exported } from '../../parts/export-menu.tsx'
import type { View } from '../../url/search.ts'
import { AsCode } from './as-code.tsx'
import { asCall, asCommand, callOf } from './commands.ts'

/** The most rows that one answer may have. */
const MOST_ROWS = 10_000

export function Ways({
  view,
  bounds,
  step,
}: {
  readonly view: View
  readonly bounds: Bounds
  readonly step: number | undefined
}) {
  const clock = useClock()
  const spans: readonly { readonly value: string; readonly label: string; readonly span: Span }[] = [
    { value: 'fixed', label: 'this time', span: { kind: 'between', ...bounds } },
    ...(clock.span.kind === 'last'
      ? [{ value: 'moving', label: `always the last ${durationCode(clock.span.ms)}`, span: clock.span }]
      : []),
  ]
  const commands = spans.map(({ span, ...rest }) => ({ ...rest, text: asCommand(view, span, location.origin) }))
  return (
    <span className="row">
      <ExportMenu of={exportsOf(view, bounds, step)} />
      <AsCode label="as a command" note="asks the same server from a terminal" texts={commands} />
      <AsCode
        label="as an API call"
        note="answers what is shown, as JSON"
        texts={[{ value: 'fixed', label: '', text: asCall(callOf(view, bounds, step), location.origin) }]}
      />
    </span>
  )
}

function exportsOf(view: View, bounds: Bounds, step: number | undefined): Exported[] {
  const all = (of: View) => ({ ...callOf(of, bounds, step).body, limit: MOST_ROWS })
  if (view.chart === 'distinct')
    return [{ name: 'distinct', describe: 'The groups shown', ...callOf(view, bounds, step) }]
  if (view.chart === 'flows') {
    const { order: _order, ...every } = callOf(view, bounds, step).body
    return [
      {
        name: 'flows',
        describe: `The flows as listed, up to ${MOST_ROWS.toLocaleString('en-GB')}`,
        kind: 'flows',
        body: all(view),
      },
      {
        name: 'all-flows',
        describe: 'Every flow of this time, the oldest first',
        kind: 'flows',
        body: { ...every, limit: undefined },
        all: true,
      },
    ]
  }
  return [
    {
      name: 'groups',
      describe: 'All groups, each with its total',
      kind: 'top',
      body: all({ ...view, chart: 'table' }),
    },
    {
      name: 'series',
      describe: 'The points of the picture',
      kind: 'series',
      body: callOf({ ...view, chart: 'stacked' }, bounds, step).body,
    },
  ]
}
