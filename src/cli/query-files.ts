import { createWriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { loadConfig } from '../app/config-file.ts'
import { inventoryConfigOf } from '../app/inventory-config.ts'
import { netflowOptionsOf } from '../app/netflow-config.ts'
import { systemClock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { wildcard } from '../base/wildcard.ts'
import { isIpfixFile } from '../capture/ipfix-file.ts'
import { captureKind } from '../capture/pcap-file.ts'
import { createEnricher } from '../enrich/enricher.ts'
import { createPlaces } from '../enrich/places.ts'
import { createInventory } from '../inventory/inventory.ts'
import { createAsk } from '../query/ask.ts'
import { createEmbeddedStore, type EmbeddedStore } from '../store/embedded.ts'
import { createLoader, type Loader } from '../store/loader.ts'
import { createSpool } from '../store/spool.ts'
import { createExportReader } from './export-rows.ts'
import { isNfdumpFile, readNfdumpFile } from './nfdump-rows.ts'
import { createPacketReader } from './packet-rows.ts'
import { createLeftOut, leftOutText } from './payloads.ts'
import { sourceOf, type Source } from './query-source.ts'
import { createRowWriter, type RowWriter } from './row-writer.ts'
import { createScratchDirectory } from './scratch-directory.ts'

// `query -r`: captures and nfdump's files become a store for the time of the question: exports by the collector's own
// decoders, through enricher, spool and loader as in a server, so that the same questions mean the same.

export interface FilesConfig {
  /** Configuration that says who is who and how exports are understood. */
  readonly config?: string
  /** Files that nobody named, found in a directory: such a one is left out if it is nothing that can be read. */
  readonly found?: ReadonlySet<string>
  /** Text of a saved filter. */
  readonly namedFilter?: (name: string) => string | undefined
}

export interface OpenedFiles {
  readonly source: Source
  /** Receipt of the first row, and just behind the last one. Both 0 if there are no rows. */
  readonly from: number
  readonly to: number
  /** Start of the first flow and end of the last one. */
  readonly first: number
  readonly last: number
  /** Sentences on what was not read. */
  readonly notes: readonly string[]
}

export async function openFiles(files: readonly string[], given: FilesConfig): Promise<OpenedFiles> {
  const config = loadConfig(given.config)
  const { dir, remove } = await createScratchDirectory('vnetscope-query-', () => store.status().pid ?? engine)
  const store: EmbeddedStore = createEmbeddedStore(
    { dir: join(dir, 'store'), keepDays: 36_500 },
    { clock: systemClock },
  )
  const spoolDir = join(dir, 'spool')
  const loader = createLoader({ dir: spoolDir, waitMs: 0 }, { store, clock: systemClock })
  let engine: number | undefined
  const close = async (): Promise<void> => {
    engine = store.status().pid
    await loader.stop()
    await store.stop()
    await remove()
  }
  try {
    const starting = store.start()
    const inventory = createInventory(inventoryConfigOf(config), { clock: systemClock })
    const log = { info: () => undefined, warn: () => undefined }
    const places = createPlaces(config.names, { log, nameId: inventory.nameId })
    await places.start()
    const enricher = createEnricher(inventoryConfigOf(config), { inventory, clock: systemClock, places })
    const spool = createSpool({ dir: spoolDir, maxBytes: Number.MAX_SAFE_INTEGER }, { clock: systemClock })
    await spool.start()
    await starting
    await loader.start()
    const writer = createRowWriter({
      write: async (batch) => {
        const { refused } = await spool.write(batch, enricher.apply(batch))
        if (refused > 0)
          throw new OperatorError('disk_full', `${dir} takes no more rows: ${spool.status().problem ?? 'it is full'}`, {
            hint: 'set TMPDIR to a directory with more room',
          })
      },
      onSighting: (sighting) => inventory.sight(sighting),
    })
    const notes = await readAll(files, { dir, found: given.found }, netflowOptionsOf(config), writer)
    await writer.end()
    await spool.stop()
    await stored(loader)
    const ask = createAsk(
      { timeoutMs: LONGEST_MS },
      {
        store,
        clock: systemClock,
        ...(given.namedFilter ? { namedFilter: given.namedFilter } : {}),
        ...(config.names.autonomousSystems === null ? {} : { asNumbers: (name: string) => places.numbersOf(name) }),
        exporterAddresses: (pattern) => {
          const matches = wildcard(pattern)
          return inventory.exporterNames().flatMap(([address, name]) => (matches(name) ? [address] : []))
        },
      },
    )
    places.stop()
    return { source: sourceOf(ask, close), notes, ...(await extentOf(store)) }
  } catch (error) {
    await close()
    throw error
  }
}

/** Nobody else waits for the answer. */
const LONGEST_MS = 600_000

const LOOK_MS = 500
const PATIENCE_MS = 30_000

/** Resolves when all rows are in the store; rejects if it doesn't take them, however often it is tried. */
async function stored(loader: Loader): Promise<void> {
  let troubledSince = 0
  let watch: NodeJS.Timeout | undefined
  const refused = new Promise<never>((_, reject) => {
    watch = setInterval(() => {
      const { problem } = loader.status()
      if (problem === undefined) troubledSince = 0
      else troubledSince ||= Date.now()
      if (troubledSince > 0 && Date.now() - troubledSince > PATIENCE_MS)
        reject(new OperatorError('store_refused', `the flows could not be stored to be asked: ${problem}`))
    }, LOOK_MS)
  })
  try {
    await Promise.race([loader.drained(), refused])
  } finally {
    clearInterval(watch)
  }
}

async function readAll(
  files: readonly string[],
  { dir, found }: { readonly dir: string; readonly found: FilesConfig['found'] },
  options: ReturnType<typeof netflowOptionsOf>,
  writer: RowWriter,
): Promise<string[]> {
  const left = createLeftOut()
  const notes: string[] = []
  const exports = createExportReader(options, writer)
  for (const given of files) {
    const file = given === '-' ? await standardInput(dir) : given
    await readable(file)
    if (await isNfdumpFile(file)) {
      await readNfdumpFile(file, writer)
      continue
    }
    if (found?.has(given) && !(await isCapture(file))) {
      notes.push(`${given}: neither a capture nor a file of nfdump; left out`)
      continue
    }
    const before = { ...left, damage: [...left.damage] }
    if ((await exports.read(file, left).catch(namedAs(file, given))) > 0) continue
    // A capture without exports is taken for what it is: packets.
    Object.assign(left, before)
    const packets = await createPacketReader(writer).read(file, left)
    await writer.settle()
    if (packets > 0) notes.push(`${given}: no flow exports in it; its ${packets} packets were put together to flows`)
    else notes.push(`${given}: neither flow exports nor packets in it`)
  }
  await exports.end()
  const wrong = [...writer.problems].map(([code, count]) => `${count} × ${code}`)
  if (wrong.length > 0) notes.push(`something was wrong with exports: ${wrong.join(', ')}; see \`vnetscope decode\``)
  return [...notes, ...leftOutText(left)]
}

/** What comes on standard input lies in a file that nobody has named. */
function namedAs(file: string, given: string): (error: unknown) => never {
  return (error) => {
    if (given !== '-' || !(error instanceof UserError)) throw error
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new UserError(error.message.replace(file, 'standard input'), hint)
  }
}

async function readable(file: string): Promise<void> {
  try {
    await (await open(file, 'r')).close()
  } catch (cause) {
    throw new UserError(`${file} can't be read`, { cause })
  }
}

/** Of what its first bytes promise: a capture, packed or not, or an IPFIX file. */
async function isCapture(file: string): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(32), 0, 32, 0)
    const start = buffer.subarray(0, bytesRead)
    return captureKind(start) !== '' || isIpfixFile(start)
  } finally {
    await handle.close()
  }
}

async function standardInput(dir: string): Promise<string> {
  const file = join(dir, 'standard-input')
  await pipeline(process.stdin, createWriteStream(file))
  return file
}

async function extentOf(store: EmbeddedStore): Promise<{ from: number; to: number; first: number; last: number }> {
  const { rows } = await store.query(
    'SELECT toUnixTimestamp64Milli(min(time_received)), toUnixTimestamp64Milli(max(time_received)), toUnixTimestamp64Milli(minIf(time_start, time_start > 0)), toUnixTimestamp64Milli(max(time_end)), count() FROM flows',
  )
  const [from, to, first, last, count] = (rows[0] ?? []).map(Number) as [number, number, number, number, number]
  return count === 0 ? { from: 0, to: 0, first: 0, last: 0 } : { from, to: to + 1, first, last }
}
