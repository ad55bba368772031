import type { Clock } from '../base/clock.ts'
import type { Ingest } from '../collect/ingest.ts'
import { createNetflowIngest } from '../collect/netflow.ts'
import type { NetflowOptions } from '../collect/netflow-options.ts'
import { familyOf } from '../collect/dispatch.ts'
import { createPayloadDatagram } from '../collect/payload-datagram.ts'
import { createSflowIngest } from '../collect/sflow.ts'
import { readPayloads, type LeftOut } from './payloads.ts'
import type { RowWriter } from './row-writer.ts'
import type { StreamTrouble } from './tcp-messages.ts'

// The exports within a capture → rows, by the collector's own ingests, at the time at which they were captured.

export interface ExportReader {
  /** Answers how many datagrams of the file were exports. */
  read(file: string, left: LeftOut): Promise<number>
  /** What still waits is decided: nothing more comes. */
  end(): Promise<void>
}

const TICK_MS = 1000

export function createExportReader(options: NetflowOptions, writer: RowWriter): ExportReader {
  let now = 0
  const clock: Clock = { now: () => now }
  const netflow = createNetflowIngest(options, { clock })
  const sflow = createSflowIngest({}, { clock })
  const datagrams = createPayloadDatagram()
  let ticked = 0
  const trouble = ({ code }: StreamTrouble): void => writer.problem(code)

  function tick(): void {
    for (const ingest of [netflow, sflow] as readonly Ingest[]) ingest.tick(now, writer.sink)
    ticked = now
  }

  return {
    async read(file, left) {
      let exports = 0
      for await (const { bytes, from, fromPort, at } of readPayloads(file, false, left, trouble)) {
        const receivedAt = Math.floor(at)
        const datagram = datagrams.set(bytes, from, fromPort, receivedAt)
        const family = familyOf(datagram)
        if (family !== 'netflow' && family !== 'sflow') continue
        exports++
        now = receivedAt
        if (Math.abs(now - ticked) >= TICK_MS) tick()
        ;(family === 'sflow' ? sflow : netflow).datagram(datagram, writer.sink)
        if (writer.isFull()) await writer.settle()
      }
      return exports
    },
    async end() {
      tick()
      await writer.settle()
    },
  }
}
