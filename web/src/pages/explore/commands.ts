// The question of a view as a command and as an API call.
import type { Bounds, Span } from '../../time/span.ts'
import { durationCode } from '../../time/span.ts'
import type { View } from '../../url/search.ts'

/** In single quotes for a POSIX shell. */
export function shellQuoted(text: string): string {
  return /^[A-Za-z0-9_./:=-]+$/.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`
}

export function asCommand(view: View, span: Span, origin: string): string {
  const time =
    span.kind === 'last'
      ? `--last ${durationCode(span.ms)}`
      : `--from ${new Date(span.from).toISOString()} --to ${new Date(span.to).toISOString()}`
  const groups = view.by.length === 0 ? '' : ` -A ${view.by.join(',')}`
  const order = view.metric === 'bytes' || groups === '' ? '' : ` -O ${view.metric}`
  return `vnetscope query ${shellQuoted(view.filter === '' ? 'any' : view.filter)}${groups}${order} -n ${view.top} ${time} --url ${shellQuoted(origin)}`
}

export function asCall(view: View, bounds: Bounds, origin: string): string {
  const body = {
    from: new Date(bounds.from).toISOString(),
    to: new Date(bounds.to).toISOString(),
    ...(view.filter === '' ? {} : { filter: view.filter }),
    by: view.by,
    metric: view.metric,
    limit: view.top,
  }
  return `curl -s ${shellQuoted(`${origin}/api/v1/query/top`)} -H 'content-type: application/json' \\\n  -d ${shellQuoted(JSON.stringify(body))}`
}
