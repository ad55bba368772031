import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { UserError } from '../base/errors.ts'
import { formatFilter } from '../query/filter/format.ts'
import { parseFilter } from '../query/filter/parse.ts'
import type { FilterProblem } from '../query/filter/problem.ts'
import { moment } from '../query/question.ts'
import { askAndPrint, checkWords, FORMATS, type Wanted } from './query-answers.ts'
import { addNfdumpFlags, refuseNfdumpFlags } from './nfdump-flags.ts'
import { withCaret, withFilter } from './query-caret.ts'
import { filesIn, savedIn, serverAt, type Source } from './query-source.ts'
import { LINE_FORMATS } from './query-format.ts'
import { readSpan, readWindow, type Window } from './query-words.ts'

interface Flags {
  r?: string[]
  R?: string[]
  M?: string
  s?: string[]
  a?: boolean
  A?: string
  b?: boolean
  B?: boolean
  O?: string
  m?: boolean
  n?: number
  c?: number
  f?: string
  t?: string
  last?: string
  from?: string
  to?: string
  o?: string
  columns?: string
  unit?: 'observed' | 'l2' | 'l3' | 'share'
  distinct?: string
  rough?: boolean
  q?: boolean
  N?: boolean
  I?: boolean
  Z?: boolean
  follow?: boolean
  url: string
  data?: string
  config?: string
}

const MOST_ROWS = 10_000

export function addQuery(program: Command): void {
  const command = program
    .command('query')
    .description('Asks a server, its files, captures or nfdump’s files, in nfdump’s words.')
    .argument('[filter...]', 'which flows: any, or “src net 10.0.0.0/8 and dst port 443”', ['any'])
    .option(
      '-r <file>',
      'read this instead of asking a server: pcap, pcapng, IPFIX file, a file of nfdump, or a directory of them; - for standard input; can be repeated',
      collect,
    )
    .option(
      '-R <range>',
      'the same for a range: a directory, DIR/first, DIR/first:last, also over directories: DIR/2026/01/first:2026/02/last',
      collect,
    )
    .option('-M <dirs>', 'read -r or -R in each of these directories, which have the same files: /data/dir1:dir2:dir3')
    .option(
      '-s <stat/order>',
      'count by this: srcip, dstip, ip, port, vlan, vm, … or any column; order flows (default), packets, bytes, pps, bps or bpp, several for several tables; :p splits by protocol; can be repeated',
      collect,
    )
    .option('-a', 'put flows together by protocol, addresses and ports')
    .option(
      '-A <keys>',
      'put them together by these, parted by commas: srcip,dstport, srcip4/24, srcvlan, srcvm, … or any column; none for one total',
    )
    .option('-b', 'put the two directions of a connection together, in the direction of its first flow')
    .option('-B', 'the same, from client to server where the ports tell')
    .option(
      '-O <order>',
      'order of -a, -A, -b and -B: bytes (default), packets, flows, tstart, tend, duration, pps, bps or bpp; of a list the same but flows (default: newest first)',
    )
    .option('-m', 'the same as -O tstart')
    .addOption(
      new Option(
        '-n <rows>',
        `rows at most; 0 for ${MOST_ROWS}, and of lists as ndjson, csv or parquet for all there are (default: 10 groups, 100 flows)`,
      ).argParser(readCount),
    )
    .addOption(new Option('-c <flows>', 'the same as -n, as nfdump has it for lists').argParser(readCount))
    .option('-f <file>', 'read the filter from this file; one given beside it must hold too')
    .option(
      '-t <window>',
      'flows that lie within: 2026/03/01.14:00:00-2026/03/01.15:00:00, parts may be left out; +10 or -10 for seconds from the first or to the last flow of files',
    )
    .option('--last <span>', 'received until now: 90s, 15m, 1h30m, 7d (default: 1h; of files, everything)')
    .option(
      '--from <time>',
      'received from, instead of --last: ISO 8601 (UTC unless it says otherwise), milliseconds, or -2h for so long ago',
    )
    .option('--to <time>', 'received before; default: now')
    .addOption(
      new Option(
        '-o <format>',
        `how to print it: ${FORMATS.join(', ')}, or in nfdump’s way line, long, extended, biline, bilong, gline, glong, raw, or tags such as “fmt:%ts %td %pr %sap -> %dap %byt %svm” (default: table)`,
      ).argParser(readOutput),
    )
    .option('--columns <names>', 'columns of a list, parted by commas: time_start,src_vm,dst_addr,bytes')
    .addOption(
      new Option(
        '--unit <unit>',
        'what bytes are: as the exporters count them (default), frames (l2) or IP packets (l3); share also shows how full each interface was: -s router,inif --unit share',
      ).choices(['observed', 'l2', 'l3', 'share']),
    )
    .option(
      '--distinct <keys>',
      'with -A: how many different values of these each group has, the most first: -A srcip --distinct dstip,dstport finds who scans',
    )
    .option(
      '--rough',
      'rare addresses, services and AS of long ranges may be counted with the rest, which is faster to answer; below the table stands what was',
    )
    .option('-6', 'addresses in full: they always are')
    .option('-q', 'without titles and without what stands below')
    .option('-N', 'figures in full, not scaled')
    .option('-I', 'totals alone, one a line, by protocol')
    .option('-Z', 'only read the filter: print how it is written at its plainest, or what is wrong with it')
    .option(
      '--follow',
      'list flows as they come to a server, until interrupted or, with -n, so many; at most 1000 a second are shown',
    )
    .option('--url <url>', 'the server to ask', 'http://127.0.0.1:8080')
    .option(
      '--data <dir>',
      'open this data directory instead; no server may have it open; with -r only its saved filters',
    )
    .option('--config <file>', 'with -r: who is who and how exports are understood, as the server takes it')
    .action(query)
  addNfdumpFlags(command)
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function readOutput(text: string): string {
  if (FORMATS.includes(text) || text === 'raw' || LINE_FORMATS.includes(text) || text.startsWith('fmt:')) return text
  if (text === 'nsel' || text === 'nel')
    throw new InvalidArgumentError('events of firewalls and of NAT (NSEL, NEL) are not recorded')
  if (text === 'pipe' || text.startsWith('csv')) throw new InvalidArgumentError('-o csv with --columns chooses columns')
  throw new InvalidArgumentError(`expected ${FORMATS.join(', ')}, raw, ${LINE_FORMATS.join(', ')} or fmt:…`)
}

function readCount(text: string): number {
  if (!/^\d{1,12}$/.test(text)) throw new InvalidArgumentError('expected a whole number')
  return Number(text)
}

async function query(words: readonly string[], flags: Flags): Promise<void> {
  refuseNfdumpFlags(flags)
  const filter = flags.f === undefined ? words.join(' ') : await filterIn(flags.f, words.join(' '))
  const result = parseFilter(filter)
  if (!result.ok) throw new UserError(withCaret(filter, result.problem), hintFor(result.problem, words, flags))
  if (flags.Z) return print(`${formatFilter(result.ast)}\n`)
  const window = flags.t === undefined ? undefined : readWindow(flags.t)
  const wanted: Omit<Wanted, 'from' | 'to' | 'filter' | 'shown'> = {
    ...flags,
    ...(flags.m && flags.O === undefined ? { O: 'tstart' } : {}),
    most: MOST_ROWS,
    out: print,
  }
  if (flags.o === 'parquet' && process.stdout.isTTY)
    throw new UserError('Parquet is not for a terminal', { hint: 'send it to a file: … -o parquet > flows.parquet' })
  if (flags.follow) return followed(filter, flags)
  checkWords(flags)
  const { source, ...range } = await opened(flags, window)
  const asked = window ? within(filter, range.window) : filter
  try {
    await askAndPrint(source, {
      ...wanted,
      from: range.from,
      to: range.to,
      filter: asked,
      shown: range.shown,
      ...(range.extent === undefined ? {} : { window: range.extent }),
    })
  } catch (error) {
    throw withFilter(error, filter, asked)
  } finally {
    await source.close()
  }
}

function hintFor(problem: FilterProblem, words: readonly string[], flags: Flags): { hint?: string } {
  if (flags.r !== undefined && words.some((word) => existsSync(word)))
    return { hint: 'of several files, each needs an -r before it; -r also takes a directory' }
  return problem.hint === undefined ? {} : { hint: problem.hint }
}

/** Writes, and waits where the reader is slower. */
async function print(text: string | Uint8Array): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}

/** What --follow can't be said with: it lists what comes to a server from now on. */
const NOT_FOLLOWED = [
  'r',
  'R',
  'M',
  's',
  'a',
  'A',
  'b',
  'B',
  'O',
  'm',
  't',
  'last',
  'from',
  'to',
  'distinct',
  'I',
  'data',
  'config',
  'unit',
  'rough',
] as const

async function followed(filter: string, flags: Flags): Promise<void> {
  const wrong = NOT_FOLLOWED.find((name) => flags[name] !== undefined)
  if (wrong !== undefined)
    throw new UserError(
      `--follow lists flows as they come to a server: ${wrong.length > 1 ? '--' : '-'}${wrong} does not go with it`,
    )
  const { follow } = await import('./query-follow.ts')
  const count = flags.n ?? flags.c ?? 0
  try {
    await follow({
      url: flags.url,
      filter,
      ...(flags.o === undefined ? {} : { o: flags.o }),
      ...(flags.columns === undefined ? {} : { columns: flags.columns }),
      ...(count > 0 ? { most: count } : {}),
      quiet: flags.q === true,
      full: flags.N === true,
      out: print,
      note: (text) => process.stderr.write(`vnetscope: ${text}\n`),
    })
  } catch (error) {
    throw withFilter(error, filter)
  }
}

interface Span {
  readonly from: number
  readonly to: number
}

interface Opened {
  readonly source: Source
  /** Range of receipt. */
  readonly from: number
  readonly to: number
  readonly window: Span
  /** What the flows of the answer lie in, for titles and rates. */
  readonly shown: Span
  /** First and last packet in files. */
  readonly extent?: { readonly first: number; readonly last: number }
}

/** Exporters tell of a flow at the latest so long after its last packet. */
const TOLD_WITHIN_MS = 3_600_000
const HOUR = 3_600_000
/** No question may be longer: a capture whose clock was wrong shouldn't make one so. */
const LONGEST_MS = 20 * 365 * 24 * HOUR

async function opened(flags: Flags, window: Window | undefined): Promise<Opened> {
  const now = Date.now()
  const given = (key: 'from' | 'to'): number | undefined => {
    const text = flags[key]
    if (text === undefined) return undefined
    return text.startsWith('-') ? now - readSpan(text.slice(1), `--${key} -`) : moment(text, key)
  }
  const [from, to] = [given('from'), given('to')]
  if (flags.M !== undefined && flags.r === undefined && flags.R === undefined)
    throw new UserError('-M says in which directories, and nothing says which files', { hint: 'give -R FIRST:LAST' })
  if (flags.r !== undefined || flags.R !== undefined) {
    const [{ openFiles }, { filesToRead }] = await Promise.all([import('./query-files.ts'), import('./file-list.ts')])
    const { files, found } = filesToRead(flags)
    const read = await openFiles(files, {
      found,
      ...(flags.config === undefined ? {} : { config: flags.config }),
      ...(flags.data === undefined ? {} : { namedFilter: await savedIn(flags.data) }),
    })
    for (const note of read.notes) process.stderr.write(`vnetscope: ${note}\n`)
    const end = to ?? Math.max(read.to, 1)
    const last = flags.last === undefined ? undefined : end - readSpan(flags.last)
    const first = Math.max(Math.min(read.from, end - 1), end - LONGEST_MS)
    if (from === undefined && last === undefined && read.from < first)
      process.stderr.write(
        `vnetscope: what was received before ${new Date(first).toISOString()} is left out; ask for it by --to\n`,
      )
    const fixed = resolved(window, read.first, read.last)
    // Files of collectors were all received at once: their flows lie in the time of their packets.
    const shown = { from: from ?? last ?? read.first, to: to ?? read.last }
    return {
      source: read.source,
      from: from ?? last ?? first,
      to: end,
      window: fixed,
      shown: overlap(shown, fixed),
      extent: { first: read.first, last: read.last },
    }
  }
  if (flags.config !== undefined) throw new UserError('--config is for -r', { hint: 'a server has its own' })
  if (window?.seconds !== undefined)
    throw new UserError(`-t ${flags.t} counts from the flows of files, and none are read`, {
      hint: `give -r, or say --last ${Math.abs(window.seconds)}s`,
    })
  const fixed = resolved(window, 0, 0)
  const until = to ?? (window && Number.isFinite(fixed.to) ? Math.min(now, fixed.to + TOLD_WITHIN_MS) : now)
  const since =
    from ??
    (window && flags.last === undefined ? fixed.from : until - (flags.last === undefined ? HOUR : readSpan(flags.last)))
  const source = flags.data === undefined ? serverAt(flags.url) : await filesIn(flags.data)
  return { source, from: since, to: until, window: fixed, shown: overlap({ from: since, to: until }, fixed) }
}

/** What two spans have in common, a millisecond at least. */
function overlap(a: Span, b: Span): Span {
  const from = Math.max(a.from, b.from)
  return { from, to: Math.max(Math.min(a.to, b.to), from + 1) }
}

/** The window in milliseconds; its end is infinite if it is open. */
function resolved(window: Window | undefined, first: number, last: number): Opened['window'] {
  if (!window) return { from: 0, to: Number.POSITIVE_INFINITY }
  if (window.seconds === undefined) return { from: window.from ?? 0, to: window.to ?? Number.POSITIVE_INFINITY }
  const span = window.seconds * 1000
  return span >= 0 ? { from: first, to: first + span } : { from: last + span, to: last }
}

/** The filter for flows whose first and last packet lie in the window. */
function within(filter: string, window: Opened['window']): string {
  const parts = [`(${filter}\n)`, `first seen >= ${window.from}`]
  if (Number.isFinite(window.to)) parts.push(`last seen <= ${window.to}`)
  return parts.join(' and ')
}

/** The text of a file, and what was given beside it. */
async function filterIn(file: string, beside: string): Promise<string> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UserError(`the filter in ${file} can't be read`, { cause })
  })
  if (beside === 'any' || text.trim() === '') return text.trim() === '' ? beside : text
  return `(${text}\n) and (${beside})`
}
