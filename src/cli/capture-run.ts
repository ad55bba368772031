import { createWriteStream, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import { resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { createFileOutput } from '../recording/file-output.ts'
import { recordLive, type LiveEnd, type LiveSource } from '../recording/record-live.ts'
import type { Recorder, RecordingOutput, SourceCounts } from '../recording/recorder.ts'
import { createStreamOutput, READER_GONE } from '../recording/stream-output.ts'
import { sizeText, timeText } from './capture-options.ts'

// A capture while it runs: where it goes, what it says meanwhile and at its end.

export interface CaptureOptions {
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
  readonly user?: string
  readonly secretFile?: string
  readonly status?: number
}

export interface Bounds {
  readonly packets: number
  readonly bytes: number
  readonly seconds: number
  readonly fileBytes: number
  readonly fileSeconds: number
}

export const say = (sentence: string): void => void process.stderr.write(`vnetscope: ${sentence}\n`)

export const isNumbered = ({ files, fileSize, fileSeconds }: CaptureOptions): boolean =>
  files !== undefined || fileSize !== undefined || fileSeconds !== undefined

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

export interface Opened {
  readonly output: RecordingOutput
  /** Names of the files that there are; none of a stream. */
  names(): readonly string[]
}

/** Written without waiting where it is a pipe: who reads it may be slow, or stop. */
function standardOutput(): Writable {
  const kind = fstatSync(1)
  return kind.isFIFO() || kind.isSocket()
    ? new Socket({ fd: 1, readable: false, writable: true })
    : createWriteStream('', { fd: 1, autoClose: false })
}

export function outputOf(options: CaptureOptions): Opened {
  if (options.write === '-') {
    const output = createStreamOutput(standardOutput())
    return { output, names: () => [] }
  }
  const output = createFileOutput(
    { path: resolve(options.write), isNumbered: isNumbered(options), most: options.files ?? Infinity },
    { clock: systemClock, say },
  )
  return { output, names: () => output.names }
}

export const isReaderGone = (error: unknown): boolean => error instanceof OperatorError && error.code === READER_GONE

/**
 * Aborted by SIGINT, SIGTERM, or a terminal that is closed; the second time they end the process.
 * @param cut what SIGHUP does instead, where it means another file
 */
export function askedToEnd(cut?: () => void): { readonly signal: AbortSignal; off(): void } {
  const asked = new AbortController()
  const ask = (): void => asked.abort()
  const handlers: readonly (readonly [NodeJS.Signals, () => void])[] = [
    ['SIGINT', ask],
    ['SIGTERM', ask],
    ['SIGHUP', cut ?? ask],
  ]
  for (const [signal, handler] of handlers) {
    if (handler === ask) process.once(signal, handler)
    else process.on(signal, handler)
  }
  return {
    signal: asked.signal,
    off() {
      for (const [signal, handler] of handlers) process.off(signal, handler)
    },
  }
}

export interface Subject {
  readonly filter: string
  readonly options: CaptureOptions
  readonly counts: () => SourceCounts
  /** Where packets come from. */
  readonly from: string
  readonly bounds: Bounds
}

export async function recordUntilEnd(
  { filter, options, counts, from, bounds }: Subject,
  source: LiveSource,
  recorder: Recorder,
  { output, names }: Opened,
): Promise<void> {
  const asked = askedToEnd(isNumbered(options) ? () => recorder.cut() : undefined)
  try {
    // The file is there, or can't be, before anything is said to be captured
    recorder.flush()
    await recorder.settled()
    const into = options.write === '-' ? 'standard output' : options.write
    say(`capturing ${from}${filter === '' ? '' : ` (${filter})`} into ${into}: ${boundsText(bounds, options)}`)
    const progress = progressOf(recorder, counts, options)
    const { signal } = asked
    const end = await recordLive(source, recorder, { seconds: bounds.seconds, signal, turn: progress.turn })
    progress.end()
    const why = isReaderGone(recorder.failure)
      ? 'because who read the packets has gone'
      : reasonText(end, bounds, source)
    if (end !== 'failed') await recorder.end(`ended ${why}`)
    await output.close()
    say(summary(recorder, counts(), names(), why))
    // What was taken is whole, and not all that was asked for
    if (source.hasFailed === true) process.exitCode = 1
  } catch (error) {
    await output.close().catch(() => undefined)
    if (!isReaderGone(error)) throw error
  } finally {
    asked.off()
  }
  if (recorder.failure && !isReaderGone(recorder.failure)) throw recorder.failure
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

export function reasonText(end: LiveEnd, bounds: Bounds, source: LiveSource | undefined): string {
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
      return source?.over ?? 'at the end of the file'
    case 'failed':
      return 'because nothing more can be written'
  }
}

export function summary(
  recorder: Recorder,
  counted: SourceCounts | undefined,
  files: readonly string[],
  why: string,
): string {
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
