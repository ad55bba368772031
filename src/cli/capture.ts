import { Socket } from 'node:net'
import { resolve } from 'node:path'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { UserError } from '../base/errors.ts'
import { openPacketSource } from '../capture/packet-source.ts'
import { createFileOutput, type FileOutput } from '../recording/file-output.ts'
import type { InterfaceInfo } from '../recording/pcapng.ts'
import { recordLive, type LiveEnd, type LiveSource } from '../recording/record-live.ts'
import { createRecorder, type Recorder, type RecordingOutput, type SourceCounts } from '../recording/recorder.ts'
import { createStreamOutput, READER_GONE } from '../recording/stream-output.ts'
import {
  hardwareName,
  interfaceIndex,
  interfaceName,
  interfaceSpeed,
  knownLinkType,
  systemName,
} from '../recording/this-system.ts'
import { parseBytes, parseSeconds, sizeText, timeText } from './capture-options.ts'
import { wholeBetween } from './meter-options.ts'
import { version } from './version.ts'

interface CaptureOptions {
  readonly write: string
  readonly count?: number
  readonly size?: number
  readonly duration?: number
  readonly snaplen: number
  readonly files?: number
  readonly fileSize?: number
  readonly fileSeconds?: number
  readonly promiscuous: boolean
  readonly buffer: number
  readonly comment: string
  readonly status?: number
}

const USUAL_PACKETS = 1_000_000
const USUAL_BYTES = 100e6
const USUAL_SECONDS = 600
const MEGABYTE = 1 << 20
const LEAST_SNAPSHOT = 64
const MOST_SNAPSHOT = 262_144

export function addCapture(program: Command): void {
  program
    .command('capture')
    .description(
      `Captures packets into pcapng files, within bounds. Unless told otherwise it ends after ${USUAL_PACKETS} packets, ` +
        `${sizeText(USUAL_BYTES)} or ${timeText(USUAL_SECONDS)}, whichever comes first; a ring of files (-W) goes on until it is ended.`,
    )
    .argument('<source>', 'network device, nflog:GROUP, capture file, or probe://HOST:PORT[/DEVICE]')
    .argument('[filter...]', 'capture only the packets of this filter, in tcpdump’s words')
    .requiredOption('-w, --write <file>', 'pcapng file, or - for standard output')
    .option('-c, --count <packets>', 'end after so many packets', wholeBetween(1, 1e12))
    .option('--size <bytes>', 'end before all files together have more than this (100M, 2G)', parseBytes(''))
    .option('--duration <time>', 'end after this time (90, 10m, 1h)', parseSeconds)
    .option(
      '-s, --snaplen <bytes>',
      'bytes of a packet that are kept',
      wholeBetween(LEAST_SNAPSHOT, MOST_SNAPSHOT),
      MOST_SNAPSHOT,
    )
    .option(
      '-C, --file-size <megabytes>',
      'begin another file before one has more than this (100, 500k)',
      parseBytes('m'),
    )
    .option('-G, --file-seconds <time>', 'begin another file after this time (60, 1h)', parseSeconds)
    .option('-W, --files <n>', 'keep the newest files only, so many', wholeBetween(1, 100_000))
    .option('-N, --no-promiscuous', 'leave the device as it is')
    .option('-B, --buffer <bytes>', 'room in the kernel for packets not read yet', parseBuffer, 16 * MEGABYTE)
    .option('--comment <text>', 'a remark for the file', '')
    .addOption(
      new Option('--status <seconds>', 'say every so often on standard error how it goes').argParser(
        wholeBetween(1, 86_400),
      ),
    )
    .action((source: string, words: string[], options: CaptureOptions) => capture(source, words.join(' '), options))
}

function parseBuffer(text: string): number {
  const bytes = parseBytes('')(text)
  if (bytes < 512 * 1024 || bytes > 1 << 30) throw new InvalidArgumentError('Expected a size from 512k to 1G.')
  return bytes
}

interface Bounds {
  readonly packets: number
  readonly bytes: number
  readonly seconds: number
  readonly fileBytes: number
  readonly fileSeconds: number
}

/** What ends it always exists: a ring is bounded by its files. */
function boundsOf(options: CaptureOptions): Bounds {
  const isRing = options.files !== undefined
  return {
    packets: options.count ?? (isRing ? Infinity : USUAL_PACKETS),
    bytes: options.size ?? (isRing ? Infinity : USUAL_BYTES),
    seconds: options.duration ?? (isRing ? Infinity : USUAL_SECONDS),
    fileBytes: options.fileSize ?? (isRing ? USUAL_BYTES : Infinity),
    fileSeconds: options.fileSeconds ?? Infinity,
  }
}

function boundsText(bounds: Bounds, options: CaptureOptions): string {
  const ends = [
    ...(bounds.packets === Infinity ? [] : [`${bounds.packets} packets`]),
    ...(bounds.bytes === Infinity ? [] : [sizeText(bounds.bytes)]),
    ...(bounds.seconds === Infinity ? [] : [timeText(bounds.seconds)]),
  ]
  const files = [
    ...(bounds.fileBytes === Infinity ? [] : [sizeText(bounds.fileBytes)]),
    ...(bounds.fileSeconds === Infinity ? [] : [timeText(bounds.fileSeconds)]),
  ]
  const ring =
    files.length === 0
      ? ''
      : `, files of ${files.join(' or ')}${options.files === undefined ? '' : ` of which the newest ${options.files} are kept`}`
  return `${ends.length === 0 ? 'until it is ended' : `at most ${ends.join(' or ')}`}${ring}`
}

const say = (sentence: string): void => void process.stderr.write(`vnetscope: ${sentence}\n`)

async function capture(source: string, filter: string, options: CaptureOptions): Promise<void> {
  const bounds = boundsOf(options)
  const isNumbered = options.files !== undefined || options.fileSize !== undefined || options.fileSeconds !== undefined
  if (options.write === '-' && isNumbered)
    throw new UserError('standard output can’t be cut into files', {
      hint: 'name a file with -w, or leave -W, -C and -G out',
    })
  if (options.write === '-' && process.stdout.isTTY)
    throw new UserError('packets are not for a terminal', {
      hint: 'name a file with -w, or put “| tshark -r -” behind',
    })
  await captureDevice(source, filter, bounds, isNumbered, options)
}

interface Opened {
  readonly output: RecordingOutput
  /** Names of the files that there are; none of a stream. */
  names(): readonly string[]
}

function outputOf(options: CaptureOptions, isNumbered: boolean): Opened {
  if (options.write === '-') {
    const output = createStreamOutput(new Socket({ fd: 1, readable: false, writable: true }))
    return { output, names: () => [] }
  }
  const output: FileOutput = createFileOutput(
    { path: resolve(options.write), isNumbered, most: options.files ?? Infinity },
    { clock: systemClock, say },
  )
  return { output, names: () => output.names }
}

async function captureDevice(
  name: string,
  filter: string,
  bounds: Bounds,
  isNumbered: boolean,
  options: CaptureOptions,
): Promise<void> {
  const source = openPacketSource(name, {
    filter,
    snapshotLength: options.snaplen,
    promiscuous: options.promiscuous,
    bufferBytes: options.buffer,
    say,
  })
  try {
    const info = (port: number, linkType: number): InterfaceInfo => ({
      linkType,
      snapshotLength: options.snaplen,
      name: interfaceName(port) || name,
      filter,
      speed: interfaceSpeed(interfaceName(port)),
      system: systemName(),
      description: '',
    })
    const counts = (): SourceCounts => {
      const { packets, drops } = source.counts()
      return { port: source.index, received: packets, dropped: drops }
    }
    const opened = outputOf(options, isNumbered)
    const recorder = createRecorder(
      {
        section: {
          application: `vnetscope ${version()}`,
          system: systemName(),
          hardware: hardwareName(),
          comment: options.comment,
        },
        snapshotLength: options.snaplen,
        hasDirection: true,
        bounds,
      },
      { output: opened.output, clock: systemClock, interfaceOf: info, counts },
    )
    const linkType = knownLinkType(name)
    if (linkType !== undefined) recorder.declare(interfaceIndex(name), linkType)
    await record(source, recorder, opened, counts, `capturing on ${name}`, filter, bounds, options)
  } finally {
    source.close()
  }
}

async function record(
  source: LiveSource,
  recorder: Recorder,
  { output, names }: Opened,
  counts: () => SourceCounts | undefined,
  doing: string,
  filter: string,
  bounds: Bounds,
  options: CaptureOptions,
): Promise<void> {
  // The file is there, or can't be, before anything is said to be captured
  recorder.flush()
  await recorder.settled()
  say(
    `${doing}${filter === '' ? '' : ` (${filter})`} into ${options.write === '-' ? 'standard output' : options.write}: ${boundsText(bounds, options)}`,
  )
  const asked = new AbortController()
  const ask = (): void => asked.abort()
  process.once('SIGINT', ask)
  process.once('SIGTERM', ask)
  const progress = progressOf(recorder, counts, options)
  let end: LiveEnd
  try {
    end = await recordLive(source, recorder, { seconds: bounds.seconds, signal: asked.signal, turn: progress.turn })
    progress.end()
    if (end !== 'failed') await recorder.end(`vnetscope ended this capture ${reasonText(end, bounds, source)}`)
    await output.close()
  } finally {
    process.off('SIGINT', ask)
    process.off('SIGTERM', ask)
  }
  const { failure } = recorder
  const isGone = failure !== undefined && (failure as { code?: string }).code === READER_GONE
  say(
    summary(
      recorder,
      counts(),
      names(),
      isGone ? 'because who read the packets has gone' : reasonText(end, bounds, source),
    ),
  )
  if (failure && !isGone) throw failure
}

interface Progress {
  turn(): void
  end(): void
}

/** On a terminal one line that changes each second; elsewhere as often as is asked for. */
function progressOf(recorder: Recorder, counts: () => SourceCounts | undefined, options: CaptureOptions): Progress {
  const isLine = options.status === undefined && process.stderr.isTTY
  const every = options.status ?? (isLine ? 1 : Infinity)
  let saidAt = performance.now()
  let hasLine = false
  return {
    turn() {
      const now = performance.now()
      if (now - saidAt < every * 1000) return
      saidAt = now
      const { packets, bytes } = recorder.status()
      const text = `${packets} packets, ${sizeText(bytes)}${droppedText(counts())}`
      if (!isLine) return say(text)
      hasLine = true
      process.stderr.write(`\r${text}\u001b[K`)
    },
    end() {
      if (hasLine) process.stderr.write('\n')
    },
  }
}

const droppedText = (counted: SourceCounts | undefined): string =>
  counted ? `, ${counted.dropped} dropped by the kernel` : ''

function reasonText(end: LiveEnd, bounds: Bounds, source: LiveSource): string {
  switch (end) {
    case 'packets':
      return `after ${bounds.packets} packets`
    case 'bytes':
      return `before more than ${sizeText(bounds.bytes)}`
    case 'seconds':
      return `after ${timeText(bounds.seconds)}`
    case 'asked':
      return 'when it was told to'
    case 'over':
      return source.over ?? 'at the end'
    case 'failed':
      return 'because nothing more can be written'
  }
}

function summary(recorder: Recorder, counted: SourceCounts | undefined, files: readonly string[], why: string): string {
  const { packets, unwritten, bytes } = recorder.status()
  const last = files[files.length - 1]
  const where =
    last === undefined
      ? ''
      : files.length === 1
        ? ` in ${relative(last)}`
        : ` in ${files.length} files, ${relative(files[0] as string)} to ${relative(last)}`
  return (
    `${packets} packets captured${droppedText(counted)}, ${packets - unwritten} written (${sizeText(bytes)}${where})` +
    `${unwritten > 0 ? `, ${unwritten} not, because the disk was full` : ''}; ended ${why}`
  )
}

/** As the user would name it. */
function relative(file: string): string {
  const here = `${process.cwd()}/`
  return file.startsWith(here) ? file.slice(here.length) : file
}
