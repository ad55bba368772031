// Reads a packet source as another process or thread: `node packet-reader.ts '{"name":"eth0","options":{},"user":"nobody"}'`.
// Says “open …” once it is open, begins to read at SIGUSR1, says “counted N” when its source counts more, and at SIGTERM writes
// what it saw as one line of JSON. As a worker, it takes the same from workerData, and 'read' and 'end' as messages.

import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { capabilitiesFor, openPacketSource, type PacketSourceOptions } from '../../src/capture/packet-source.ts'
import { createPacketBlock } from '../../src/capture/packet-block.ts'
import { dropPrivileges } from '../../src/capture/privileges.ts'
import { seenPackets, type SeenPacket } from './seen-packets.ts'

export interface ReaderTask {
  readonly name: string
  readonly options: PacketSourceOptions
  readonly user?: string
}

export interface ReaderResult {
  readonly packets: readonly SeenPacket[]
  readonly counts: { readonly packets: number; readonly drops: number }
  readonly said: readonly string[]
}

const task = (parentPort ? workerData : JSON.parse(process.argv[2] ?? '{}')) as ReaderTask
const said: string[] = []
const source = openPacketSource(task.name, { ...task.options, say: (sentence) => void said.push(sentence) })
if (task.user !== undefined) dropPrivileges(task.user, capabilitiesFor([task.name]))

const block = createPacketBlock()
const packets: SeenPacket[] = []
let isReading = false
let isEnding = false
if (parentPort) {
  parentPort.on('message', (word: string) => (word === 'read' ? (isReading = true) : (isEnding = true)))
  parentPort.postMessage({ open: source.fanoutGroup })
} else {
  process.on('SIGUSR1', () => (isReading = true))
  process.on('SIGTERM', () => (isEnding = true))
  process.stdout.write(`open ${source.index} ${source.fanoutGroup}\n`)
}

function readAll(): void {
  while (source.next(block)) {
    seenPackets(block, packets)
    source.release()
  }
}

let counted = 0

function tellCount(): void {
  const now = source.counts().packets
  if (now === counted) return
  counted = now
  if (parentPort) parentPort.postMessage({ counted })
  else process.stdout.write(`counted ${counted}\n`)
}

let lookedAt = performance.now()
let told = 0
while (!isEnding) {
  if (isReading) {
    readAll()
    tellCount()
  }
  if (performance.now() - lookedAt > 100) {
    lookedAt = performance.now()
    source.lookAfter()
    for (; told < said.length && !parentPort; told++) process.stdout.write(`${said[told]}\n`)
  }
  await wait(5)
}
await wait(50)
source.end()
readAll()
const result: ReaderResult = { packets, counts: source.counts(), said }
source.close()
if (parentPort) {
  parentPort.postMessage(result)
  parentPort.close()
} else process.stdout.write(`${JSON.stringify(result)}\n`)
