import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import type { FlowsAnswer, Problem, Question, TopAnswer } from '../api/contract/query.ts'
import { parquet } from '../api/parquet.ts'
import { csv, flowsTable, rowsTable, type Table } from '../api/table.ts'
import { systemClock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { parseFilter } from '../query/filter/parse.ts'
import type { FilterProblem } from '../query/filter/problem.ts'
import { moment } from '../query/question.ts'
import { formatted, readFormat } from './query-format.ts'
import { flowsText, topText } from './query-text.ts'
import { FIVE_TUPLE, readKeys, readListOrder, readOrder, readSpan, readStat, type Order } from './query-words.ts'

interface Flags {
  s?: string
  a?: boolean
  A?: string
  O?: string
  n?: number
  c?: number
  f?: string
  last: string
  from?: string
  to?: string
  o: string
  url: string
  data?: string
}

/** Who answers: a server over HTTP, or the files themselves. */
interface Source {
  top(question: Question): Promise<TopAnswer>
  flows(question: Question): Promise<FlowsAnswer>
  close(): Promise<void>
}

const FORMATS = ['line', 'json', 'ndjson', 'csv', 'parquet']
const MOST_ROWS = 10_000
const STAT_ROWS = 10
const LIST_ROWS = 100
/** What a list shows on a terminal; the other formats give every usual column. */
const LINE_COLUMNS = [
  'time_received',
  'exporter',
  'vlan_in',
  'proto',
  'src_addr',
  'src_port',
  'dst_addr',
  'dst_port',
  'tcp_flags',
  'src_vm',
  'dst_vm',
  'packets',
  'bytes',
  'sampling_rate',
]

export function addQuery(program: Command): void {
  program
    .command('query')
    .description('Asks a server, or its files, in nfdump’s words.')
    .argument('[filter...]', 'which flows: any, or “src net 10.0.0.0/8 and dst port 443”', ['any'])
    .option(
      '-s <stat/order>',
      'count by this: srcip, dstip, ip, port, vlan, vm, … or any column; order flows (default), packets or bytes; :p splits by protocol',
    )
    .option('-a', 'count by protocol, addresses and ports')
    .option('-A <keys>', 'count by these, parted by commas: srcip,dstport, srcip4/24, srcvlan, srcvm, … or any column')
    .option(
      '-O <order>',
      'order of -a and -A: flows, packets or bytes (default: bytes); of a list: tstart, tend, duration, packets, bytes, pps, bps or bpp (default: newest first)',
    )
    .addOption(
      new Option(
        '-n <rows>',
        `rows at most; 0 for ${MOST_ROWS} (default: ${STAT_ROWS} groups, ${LIST_ROWS} flows)`,
      ).argParser(readCount),
    )
    .addOption(new Option('-c <flows>', 'the same as -n, as nfdump has it for lists').argParser(readCount))
    .option('-f <file>', 'read the filter from this file; one given beside it must hold too')
    .option('--last <span>', 'until now: 90s, 15m, 1h, 7d', '1h')
    .option('--from <time>', 'ISO 8601 (UTC unless it says otherwise) or milliseconds, instead of --last')
    .option('--to <time>', 'default: now')
    .addOption(
      new Option(
        '-o <format>',
        `how to print it: ${FORMATS.join(', ')}; for lists also long, extended, or tags such as “fmt:%ts %td %pr %sap -> %dap %byt %svm”`,
      )
        .argParser(readOutput)
        .default('line'),
    )
    .option('--url <url>', 'the server to ask', 'http://127.0.0.1:8080')
    .option('--data <dir>', 'open this data directory instead; no server may have it open')
    .action(query)
}

function readOutput(text: string): string {
  if (FORMATS.includes(text) || text === 'long' || text === 'extended' || text.startsWith('fmt:')) return text
  throw new InvalidArgumentError(`expected ${FORMATS.join(', ')}, long, extended or fmt:…`)
}

function readCount(text: string): number {
  if (!/^\d{1,6}$/.test(text) || Number(text) > MOST_ROWS)
    throw new InvalidArgumentError(`expected a whole number up to ${MOST_ROWS}`)
  return Number(text)
}

async function query(words: readonly string[], flags: Flags): Promise<void> {
  const filter = flags.f === undefined ? words.join(' ') : await filterIn(flags.f, words.join(' '))
  const result = parseFilter(filter)
  if (!result.ok)
    throw new UserError(
      withCaret(filter, result.problem),
      result.problem.hint === undefined ? {} : { hint: result.problem.hint },
    )
  const counting = countingOf(flags)
  const format = readFormat(flags.o)
  if (counting && format)
    throw new UserError(`-o ${flags.o} is for lists of flows`, {
      hint: `what is counted comes as ${FORMATS.join(', ')}`,
    })
  const order = counting || flags.O === undefined ? {} : { order: readListOrder(flags.O) }
  const to = flags.to === undefined ? Date.now() : moment(flags.to, 'to')
  const from = flags.from === undefined ? to - readSpan(flags.last) : moment(flags.from, 'from')
  if (flags.o === 'parquet' && process.stdout.isTTY)
    throw new UserError('Parquet is not for a terminal', { hint: 'send it to a file: … -o parquet > flows.parquet' })
  const count = flags.n ?? flags.c ?? (counting ? STAT_ROWS : LIST_ROWS)
  const limit = count === 0 ? MOST_ROWS : count
  const question: Question = { from, to, filter, limit }
  const source = flags.data === undefined ? serverAt(flags.url) : await filesIn(flags.data)
  try {
    if (counting) {
      const answer = await source.top({ ...question, by: counting.by, metric: counting.order })
      print(
        flags.o,
        answer,
        () => topText(answer, counting.order, from, to),
        () => rowsTable(answer.columns, answer.rows),
      )
    } else {
      const by = format?.columns ?? (flags.o === 'line' ? LINE_COLUMNS : undefined)
      const answer = await source.flows({ ...question, ...order, ...(by ? { by: [...by] } : {}) })
      if (format) process.stdout.write(formatted(format, answer))
      else
        print(
          flags.o,
          answer,
          () => flowsText(answer, from, to, flags.O),
          () => flowsTable(answer),
        )
    }
  } finally {
    await source.close()
  }
}

/** What to count by, or nothing: then the flows are listed. */
function countingOf(flags: Flags): { by: string[]; order: Order } | undefined {
  if (flags.s !== undefined) return readStat(flags.s)
  if (flags.A === undefined && !flags.a) return undefined
  return { by: flags.A === undefined ? [...FIVE_TUPLE] : readKeys(flags.A), order: readOrder(flags.O ?? 'bytes') }
}

/** The text of a file, and what was given beside it. */
async function filterIn(file: string, beside: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UserError(`the filter in ${file} can't be read`, { cause })
  })
  if (beside === 'any' || text.trim() === '') return text.trim() === '' ? beside : text
  return `(${text}\n) and (${beside})`
}

function print(format: string, answer: TopAnswer | FlowsAnswer, text: () => string, table: () => Table): void {
  if (format === 'line') process.stdout.write(text())
  else if (format === 'json') process.stdout.write(`${JSON.stringify(answer)}\n`)
  else if (format === 'ndjson') process.stdout.write(lines(table()))
  else if (format === 'csv') process.stdout.write(csv(table()))
  else process.stdout.write(parquet(table()))
}

/** One object a line. */
function lines({ columns, rows }: Table): string {
  return rows
    .map((row) => `${JSON.stringify(Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])))}\n`)
    .join('')
}

/** The message with the line in question and a caret under its wrong character. */
export function withCaret(filter: string, problem: FilterProblem): string {
  const start = filter.lastIndexOf('\n', problem.position - 1) + 1
  const end = filter.indexOf('\n', problem.position)
  const line = filter.slice(start, end < 0 ? undefined : end).replaceAll('\t', ' ')
  const caret =
    ' '.repeat(problem.position - start) +
    '^'.repeat(Math.max(1, Math.min(problem.length, line.length - (problem.position - start))))
  return `${problem.message}\n  ${line}\n  ${caret}`
}

function serverAt(url: string): Source {
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw new UserError(`--url ${url} is not the URL of a server`, { hint: 'for example http://127.0.0.1:8080' })
  async function post<T>(kind: string, question: Question): Promise<T> {
    const response = await fetch(new URL(`/api/v1/query/${kind}`, url), {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify(question),
    }).catch((cause: unknown) => {
      throw new OperatorError('server_away', `no server answers at ${url}`, {
        cause,
        hint: 'start one by `vnetscope serve`, name it by --url, or ask the files by --data DIR',
      })
    })
    const type = response.headers.get('content-type') ?? ''
    if (response.ok && type.includes('json')) return (await response.json()) as T
    if (!type.includes('json'))
      throw new OperatorError('server_strange', `${url} answers, but not as vnetscope does (${response.status})`)
    const problem = (await response.json()) as Problem
    const hint = problem.hint === undefined ? {} : { hint: problem.hint }
    if (response.status < 500 && problem.code === undefined) throw new UserError(problem.detail ?? problem.title, hint)
    throw new OperatorError(problem.code ?? 'server_failed', problem.detail ?? problem.title, hint)
  }
  return {
    top: (question) => post('top', question),
    flows: (question) => post('flows', question),
    close: async () => undefined,
  }
}

async function filesIn(data: string): Promise<Source> {
  const dir = join(data, 'store')
  if (!existsSync(dir))
    throw new UserError(`there is no store in ${data}`, {
      hint: 'name the data directory of a server, as given to `vnetscope serve --data`',
    })
  const [{ createEmbeddedStore }, { createAsk }] = await Promise.all([
    import('../store/embedded.ts'),
    import('../query/ask.ts'),
  ])
  // The server alone decides how long flows are kept.
  const store = createEmbeddedStore({ dir, keepDays: 36_500 }, { clock: systemClock })
  await store.start()
  const ask = createAsk({}, { store, clock: systemClock })
  return { top: (question) => ask.top(question), flows: (question) => ask.flows(question), close: () => store.stop() }
}
