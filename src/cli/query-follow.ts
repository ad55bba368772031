import type { FlowsAnswer, KeyValue, Problem } from '../api/contract/query.ts'
import { csvRows } from '../api/table.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { columnNamed, COLUMNS } from '../flow/columns.ts'
import { formatted, readFormat, type LineFormat } from './query-format.ts'
import { cellsOfFlows, rawText } from './query-records.ts'
import { problemOf, serverUrl } from './query-source.ts'

// `vnetscope query --follow`: flows as they come, line by line.

export interface FollowWanted {
  readonly url: string
  readonly filter: string
  readonly o?: string
  readonly columns?: string
  /** Ends after so many. */
  readonly most?: number
  readonly quiet: boolean
  readonly full: boolean
  readonly out: (text: string) => void | Promise<void>
  /** What is no flow: how many were left out. */
  readonly note: (text: string) => void
}

const USUAL = 'fmt:%tr %exporter %vlan_in %pr %sap -> %dap %flg %svm %dvm %pkt %byt %rate'

type Flow = Readonly<Record<string, KeyValue>>
type Print = (flows: readonly Flow[]) => string

/** Resolves when so many came, or the server ended. @throws UserError, FilterError, OperatorError */
export async function follow(wanted: FollowWanted): Promise<void> {
  const { columns, print } = printer(wanted)
  const url = new URL('/api/v1/flows/stream', serverUrl(wanted.url))
  url.searchParams.set('filter', wanted.filter)
  if (columns.length > 0) url.searchParams.set('by', columns.join(','))
  const controller = new AbortController()
  const response = await fetch(url, { signal: controller.signal }).catch((cause: unknown) => {
    throw new OperatorError('server_away', `no server answers at ${wanted.url}`, {
      cause,
      hint: 'start one by `vnetscope serve`, or name it by --url',
    })
  })
  if (!response.ok || !response.body) throw problemOf((await response.json()) as Problem, response.status)
  let left = wanted.most ?? Number.POSITIVE_INFINITY
  try {
    for await (const lines of linesOf(response.body)) {
      const flows: Flow[] = []
      for (const line of lines) {
        const value = JSON.parse(line) as Flow & { missed?: number }
        if (value.missed === undefined) flows.push(value)
        else wanted.note(`${value.missed} more flows matched than are shown`)
      }
      if (flows.length > 0) await wanted.out(print(flows.slice(0, left)))
      left -= flows.length
      if (left <= 0) return
    }
    throw new OperatorError('server_ended', `${wanted.url} has ended`, { retryable: true })
  } finally {
    controller.abort()
  }
}

/** The lines that a piece of the answer completes. */
async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string[]> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const piece of body) {
    const lines = (rest + decoder.decode(piece, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    yield lines.filter((line) => line !== '')
  }
}

/** Columns to ask for (none for the usual ones), and how flows are written. */
function printer({ o = 'table', columns, quiet, full }: FollowWanted): { columns: readonly string[]; print: Print } {
  const chosen = columns === undefined ? [] : columns.split(',').map((name) => name.trim())
  if (o === 'ndjson')
    return { columns: chosen, print: (flows) => flows.map((flow) => `${JSON.stringify(flow)}\n`).join('') }
  let first = true
  if (o === 'csv')
    return {
      columns: chosen,
      print: (flows) => {
        const names = Object.keys(flows[0] ?? {})
        const text = `${first && !quiet ? csvRows([names]) : ''}${csvRows(flows.map((flow) => Object.values(flow)))}`
        first = false
        return text
      },
    }
  if (o === 'raw') {
    const names = chosen.length > 0 ? chosen : COLUMNS.map(({ name }) => name)
    return { columns: names, print: (flows) => rawText(answerOf({ columns: names }, flows)) }
  }
  const tags = chosen.length === 0 ? USUAL : `fmt:${chosen.map((name) => `%${name}`).join(' ')}`
  const format = readFormat(o === 'table' ? tags : o)
  if (!format)
    throw new UserError(`-o ${o} has an end, which --follow has not`, {
      hint: 'it is table, ndjson, csv, or one of nfdump’s formats',
    })
  const widths: number[] = []
  return {
    columns: format.columns,
    print: (flows) => {
      const text = formatted(format, cellsOfFlows(answerOf(format, flows)), { quiet: quiet || !first, full, widths })
      first = false
      return text
    },
  }
}

function answerOf(
  { columns }: Pick<LineFormat, 'columns'>,
  flows: readonly Flow[],
): Pick<FlowsAnswer, 'columns' | 'rows'> {
  const isTime = columns.map((name) => columnNamed(name)?.format === 'time')
  return {
    columns: columns.map((name) => ({ name, label: name, format: '' })),
    rows: flows.map((flow) =>
      columns.map((name, i) => (isTime[i] ? Date.parse(String(flow[name])) : (flow[name] ?? null))),
    ),
  }
}
