import { parentPort, workerData, type MessagePort } from 'node:worker_threads'
import { ipText, parseIp } from '../base/address.ts'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { readJsonFile, writeJsonFile } from '../base/json-file.ts'
import { createPipeline } from '../collect/pipeline.ts'
import { createEnricher } from '../enrich/enricher.ts'
import { createPlaces } from '../enrich/places.ts'
import { createInventory } from '../inventory/inventory.ts'
import { inventoryAnswer } from '../inventory/answer.ts'
import { createFollowers } from '../query/followers.ts'
import { createSpool } from '../store/spool.ts'
import { createLog, rateLimited } from '../telemetry/log.ts'
import { openBatchDoor } from './batch-door.ts'
import type { FromPipeline, PipelineQuestions, PipelineThreadConfig, ToPipeline } from './pipeline-messages.ts'

// The thread on which flows are told by name and written to the spool; the receivers are its children. The API and the
// store live elsewhere, so that no question delays it.

const SAVE_INVENTORY_MS = 30_000

const config = workerData as PipelineThreadConfig
const port = parentPort as NonNullable<typeof parentPort>
const clock = systemClock
const log = rateLimited(createLog({ level: config.logLevel, name: 'collect' }), clock)

const post = (message: FromPipeline): void => port.postMessage(message)

const inventory = createInventory(config.inventory, { clock })
try {
  inventory.restore(readJsonFile(config.inventoryFile))
} catch (error) {
  log.warn({ err: error, file: config.inventoryFile }, 'the saved inventory could not be read; it is learnt anew')
}
const places = createPlaces(config.places, { log, nameId: inventory.nameId })
const enricher = createEnricher(config.inventory, { inventory, clock, places })
const followers = createFollowers({}, { clock, send: (id, rows, missed) => post({ type: 'shown', id, rows, missed }) })
const spool = createSpool(config.spool, { clock, written: (file) => post({ type: 'written', file }) })
const pipeline = createPipeline(config.pipeline, {
  enrich: (batch) => {
    const names = enricher.apply(batch)
    followers.offer(batch, names)
    return names
  },
  spool,
  onSighting: (sighting) => inventory.sight(sighting),
  nameOf: (address) => inventory.exporterName(address) ?? null,
  log,
  clock,
})

const givenRates = new Map<string, number>()
for (const { address, samplingRate } of config.inventory.exporters) {
  const bytes = parseIp(address)
  if (bytes !== undefined && samplingRate !== undefined) givenRates.set(ipText(bytes), samplingRate)
}

const answers: { [What in keyof PipelineQuestions]: () => PipelineQuestions[What] } = {
  report: () => ({
    pipeline: pipeline.status(),
    spool: spool.status(),
    inventoryRefused: inventory.refused(),
    doorRows,
  }),
  exporters: () => {
    const heard = pipeline.exporters()
    for (const exporter of heard.exporters) {
      exporter.interfaces = Math.max(exporter.interfaces, inventory.interfaceCount(exporter.address))
      const rate = givenRates.get(exporter.address)
      // What the streams tell stays with them; this is what counts.
      if (rate !== undefined) exporter.sampling = [{ rate, from: 'configuration' }]
    }
    return heard
  },
  inventory: () => inventoryAnswer(inventory),
  names: () => inventory.exporterNames(),
}

let doorRows = 0
function openDoor(door: MessagePort): void {
  openBatchDoor(door, {
    enrich: (batch) => enricher.apply(batch),
    spool,
    onSighting: (sighting) => inventory.sight(sighting),
    onAccepted: (rows) => (doorRows += rows),
    onLost: (error) => log.warn({ err: error }, 'a batch of another thread could not be taken; its flows are lost'),
  })
}

let savedVersion = inventory.version()
let lastSave: Promise<void> = Promise.resolve()
/** One at a time: they write to one file. */
function saveInventory(): Promise<void> {
  lastSave = lastSave.then(saveIfNew)
  return lastSave
}

async function saveIfNew(): Promise<void> {
  const version = inventory.version()
  if (version === savedVersion) return
  try {
    await writeJsonFile(config.inventoryFile, inventory.save())
    savedVersion = version
  } catch (error) {
    log.warn(
      { err: error, file: config.inventoryFile },
      'the inventory could not be saved; after a restart it is learnt anew',
    )
  }
}
const saving = setInterval(() => void saveInventory(), SAVE_INVENTORY_MS)

async function stop(): Promise<void> {
  clearInterval(saving)
  places.stop()
  await pipeline.stop()
  await spool.stop()
  await saveInventory()
  post({ type: 'stopped' })
  port.close()
}

port.on('message', (message: ToPipeline) => {
  if (message.type === 'stop') void stop()
  else if (message.type === 'door') openDoor(message.port)
  else if (message.type === 'follow') followers.add(message.id, message.condition, message.columns)
  else if (message.type === 'taken') followers.taken(message.id, message.rows)
  else if (message.type === 'unfollow') followers.remove(message.id)
  else post({ type: 'answer', id: message.id, value: answers[message.what]() })
})

try {
  await places.start()
  await spool.start()
  await pipeline.start()
  post({ type: 'ready' })
} catch (error) {
  const known = error instanceof OperatorError ? error : undefined
  post({ type: 'failed', code: known?.code, message: (error as Error).message, hint: known?.hint })
  clearInterval(saving)
  port.close()
}
