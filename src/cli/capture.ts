import { statSync, type Stats } from 'node:fs'
import { hostname, userInfo } from 'node:os'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { UserError } from '../base/errors.ts'
import { readCaptureFile } from '../capture/capture-file.ts'
import { capabilitiesFor, openPacketSource } from '../capture/packet-source.ts'
import { dropPrivileges } from '../capture/privileges.ts'
import { openRemoteSource } from '../recording/capture-client.ts'
import { readCaptureKey } from '../recording/capture-secret.ts'
import type { SectionInfo } from '../recording/pcapng.ts'
import type { LiveEnd } from '../recording/record-live.ts'
import { createRecorder, type SourceCounts } from '../recording/recorder.ts'
import {
  hardwareName,
  interfaceIndex,
  interfaceName,
  interfaceSpeed,
  knownLinkType,
  systemName,
  tellsDirections,
} from '../recording/this-system.ts'
import { parseBytes, parseProbe, parseSeconds, sizeText, timeText } from './capture-options.ts'
import {
  askedToEnd,
  isNumbered,
  isReaderGone,
  outputOf,
  reasonText,
  recordUntilEnd,
  say,
  summary,
  type Bounds,
  type CaptureOptions,
} from './capture-run.ts'
import { wholeBetween } from './meter-options.ts'
import { version } from './version.ts'

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
        `${sizeText(USUAL_BYTES)} or ${timeText(USUAL_SECONDS)}, whichever comes first; a ring of files (-W) goes on until it is ended, and a file is read to its end.`,
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
    .option('--user <name>', 'go on as this user once the device is open; files are that user’s')
    .option('--secret-file <file>', 'the secret that is shared with the probe, in a file')
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

async function capture(source: string, filter: string, options: CaptureOptions): Promise<void> {
  if (options.write === '-' && isNumbered(options))
    throw new UserError('standard output can’t be cut into files', {
      hint: 'name a file with -w, or leave -W, -C and -G out',
    })
  if (options.write === '-' && process.stdout.isTTY)
    throw new UserError('packets are not for a terminal', {
      hint: 'name a file with -w, or put “| tshark -r -” behind',
    })
  const kind = kindOf(source)
  if (kind !== 'probe' && options.secretFile !== undefined)
    throw new UserError('--secret-file is for captures at a probe', { hint: 'write it as probe://HOST:PORT' })
  if (kind !== 'device' && options.user !== undefined)
    throw new UserError('--user is for devices, which others may not open', {
      hint: 'run this as that user from the beginning',
    })
  const work = { source, filter, bounds: boundsOf(options), options }
  if (kind === 'probe') await captureRemote(work)
  else if (kind === 'file') await captureFile(work)
  else await captureDevice(work)
}

interface Work {
  readonly source: string
  readonly filter: string
  readonly bounds: Bounds
  readonly options: CaptureOptions
}

/** An interface goes before a file of the same name. */
function kindOf(source: string): 'probe' | 'file' | 'device' {
  if (source.startsWith('probe:')) return 'probe'
  if (source === '-') return 'file'
  if (interfaceIndex(source) > 0) return 'device'
  if (statOf(source)?.isDirectory() === false) return 'file'
  if (source.includes('/')) throw new UserError(`there is no capture file ${source}, or it may not be seen`)
  return 'device'
}

function sectionOf(options: CaptureOptions, system: string, hardware: string): SectionInfo {
  return { application: `vnetscope ${version()}`, system, hardware, comment: options.comment }
}

async function captureDevice(work: Work): Promise<void> {
  const { source: name, filter, options, bounds } = work
  const { snaplen: snapshotLength, promiscuous, buffer: bufferBytes } = options
  const source = openPacketSource(name, { filter, snapshotLength, promiscuous, bufferBytes, say })
  try {
    // Before files are made, which are that user's
    if (options.user !== undefined) dropPrivileges(options.user, capabilitiesFor([name]))
    const opened = outputOf(options)
    const counts = (): SourceCounts => {
      const { packets, drops } = source.counts()
      return { port: source.index, received: packets, dropped: drops }
    }
    const recorder = createRecorder(
      {
        section: sectionOf(options, systemName(), hardwareName()),
        snapshotLength,
        knowsInbound: tellsDirections(name),
        bounds,
      },
      {
        output: opened.output,
        clock: systemClock,
        counts,
        interfaceOf(port, linkType) {
          const own = interfaceName(port)
          const speed = interfaceSpeed(own)
          return { linkType, snapshotLength, name: own || name, filter, speed, system: systemName(), description: '' }
        },
      },
    )
    const linkType = knownLinkType(name)
    if (linkType !== undefined) recorder.declare(interfaceIndex(name), linkType)
    await recordUntilEnd({ filter, options, counts, from: `on ${name}`, bounds }, source, recorder, opened)
  } finally {
    source.close()
  }
}

async function captureRemote(work: Work): Promise<void> {
  const { filter, options, bounds } = work
  const target = parseProbe(work.source)
  if (options.secretFile === undefined)
    throw new UserError('a capture at a probe needs the secret that it shares', {
      hint: 'name its file with --secret-file',
    })
  const key = readCaptureKey(options.secretFile)
  const most = Number.MAX_SAFE_INTEGER
  const source = await openRemoteSource(
    { ...target, key, who: `${userName()}@${hostname()}` },
    {
      version: 1,
      device: target.device,
      filter,
      snapshotLength: options.snaplen,
      promiscuous: options.promiscuous,
      packets: Math.min(bounds.packets, most),
      bytes: Math.min(bounds.bytes, most),
      seconds: Math.min(bounds.seconds, most),
    },
  )
  try {
    const { accepted } = source
    const opened = outputOf(options)
    const counts = (): SourceCounts => {
      const { packets, drops } = source.counts()
      return { port: 0, received: packets, dropped: drops }
    }
    const recorder = createRecorder(
      {
        section: sectionOf(options, accepted.system, accepted.hardware),
        snapshotLength: options.snaplen,
        knowsInbound: accepted.tellsDirections,
        bounds,
      },
      { output: opened.output, clock: systemClock, counts, interfaceOf: (port) => source.interfaceOf(port) },
    )
    const allowed = {
      ...bounds,
      bytes: Math.min(bounds.bytes, accepted.bytes),
      seconds: Math.min(bounds.seconds, accepted.seconds),
    }
    const from = `on ${accepted.device} at ${target.host}:${target.port}`
    await recordUntilEnd({ filter, options, counts, from, bounds: allowed }, source, recorder, opened)
  } finally {
    source.close()
  }
}

/** Filters, cuts and bounds what a file has. */
async function captureFile(work: Work): Promise<void> {
  const { source: file, filter, options, bounds } = work
  if (options.duration !== undefined)
    throw new UserError('--duration is for what comes live', { hint: 'a file is bounded by -c and --size' })
  const names = new Map<number, string>()
  const damage: string[] = []
  if (options.write !== '-' && isSameFile(file, options.write))
    throw new UserError(`${file} can’t be read and written at the same time`)
  const blocks = readCaptureFile(
    file,
    (code, offset) =>
      damage.push(
        `${file}: ${code === 'truncated' ? 'ends within a packet' : 'goes on with what is no packet'} at byte ${offset}`,
      ),
    {
      filter,
      interfaceFound: (port, name, linkType) => void names.set(port * 65_536 + linkType, name),
    },
  )
  const opened = outputOf(options)
  const recorder = createRecorder(
    {
      section: sectionOf(options, '', ''),
      snapshotLength: options.snaplen,
      knowsInbound: false,
      bounds: { ...bounds, bytes: options.size ?? Infinity, packets: options.count ?? Infinity },
    },
    {
      output: opened.output,
      clock: systemClock,
      counts: () => undefined,
      interfaceOf: (port, linkType) => ({
        linkType,
        snapshotLength: options.snaplen,
        name: names.get(port * 65_536 + linkType) ?? '',
        filter,
        speed: 0,
        system: '',
        description: '',
      }),
    },
  )
  const asked = askedToEnd()
  let end: LiveEnd = 'over'
  try {
    for await (const block of blocks) {
      for (let at = 0; recorder.reached === undefined && !asked.signal.aborted;) {
        at = recorder.take(block, at, block.seconds[at] as number)
        if (at === block.count || recorder.reached !== undefined) break
        await recorder.ready()
      }
      if (asked.signal.aborted) end = 'asked'
      if (recorder.reached !== undefined) end = recorder.reached
      if (end !== 'over') break
    }
    recorder.flush()
    await recorder.end('')
    await opened.output.close()
  } catch (error) {
    await opened.output.close().catch(() => undefined)
    if (!isReaderGone(error)) throw error
  } finally {
    asked.off()
  }
  for (const line of damage) say(line)
  say(summary(recorder, undefined, opened.names(), reasonText(end, bounds, undefined)))
}

/** In a container a user may have a number alone. */
function userName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '')
  }
}

function statOf(name: string): Stats | undefined {
  try {
    return statSync(name)
  } catch {
    return undefined
  }
}

function isSameFile(a: string, b: string): boolean {
  const [one, two] = [a, b].map(statOf)
  return one?.isFile() === true && two !== undefined && one.ino === two.ino && one.dev === two.dev
}
