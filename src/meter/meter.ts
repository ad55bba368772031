// Packets in, flow records out: the life of a packet in the meter. Reading and sending are others' work.

import type { PacketBlock } from '../capture/packet-block.ts'
import { alignDirections } from './biflow.ts'
import type { ExportVersion } from './export-contract.ts'
import { createFlowExport } from './flow-export.ts'
import { keyMask, type TrackLevel } from './flow-key.ts'
import { createFlowSampler } from './flow-sampling.ts'
import { createFlowTable } from './flow-table.ts'
import { END, type FlowTimeouts } from './flow-timeouts.ts'
import { BATCH, createPacketReader, type PacketReaderOptions } from './packet-reader.ts'

export interface MeterConfig {
  readonly version: ExportVersion
  readonly track: TrackLevel
  /** Whether packets that differ in ToS are of different flows. */
  readonly keyTos: boolean
  readonly maxFlows: number
  readonly reading: PacketReaderOptions
  readonly timeouts: FlowTimeouts
  /** One packet of each so many in a row is metered, at a random place among them. */
  readonly samplingRate: number
  /** One flow in this many is metered, with all of its packets. */
  readonly flowSampling: number
  /** The kernel hands over a random one of so many packets. */
  readonly kernelSampling: number
  /** Whether both directions are one flow. */
  readonly biflow: boolean
  readonly domain: number
  readonly templateEvery: number
  readonly templateSeconds: number
  readonly maxBytes: number
}

export interface MeterDeps {
  /** Takes a datagram that is overwritten afterwards. */
  send(datagram: Uint8Array): void
  /** In [0, 1). */
  random(): number
  /** When the exporter began, milliseconds since 1970: uptimes count from here. */
  readonly startedAt: number
}

export interface MeterStatus {
  /** Packets seen, those that sampling took, and those that held no IP packet. */
  readonly packets: number
  readonly sampled: number
  readonly notIp: number
  /** Packets of flows that sampling took. */
  readonly inFlows: number
  /** Bytes of IP packets metered. */
  readonly bytes: number
  readonly flows: number
  readonly maxFlows: number
  readonly memory: { readonly most: number; readonly used: number }
  /** Flows ended, by reason. */
  readonly ended: {
    readonly idle: number
    readonly active: number
    readonly detected: number
    readonly forced: number
    readonly lackOfResources: number
  }
  /** Records and datagrams exported, and flows that the protocol can't carry. */
  readonly records: number
  readonly unsent: number
  readonly datagrams: number
}

export interface Meter {
  /** Meters all packets of a block. */
  block(block: PacketBlock): void
  /** Looks after flows as the time of the packets goes on, at most at so many. */
  keepUp(slots: number): void
  /**
   * Looks after so many flows, and stops where so many have ended. Answers how many it did not get to.
   * @param now milliseconds since 1970
   */
  tick(now: number, slots: number, mostEnded: number): number
  /** Sends what waits. */
  flush(): void
  /** Flow slots that a round of `tick` would have to look at. */
  slots(): number
  /** Reports the flows of so many slots; sends everything and answers false once there are none left. */
  end(slots: number): boolean
  status(): MeterStatus
}

/** Within so long of the packets' time all flows are looked at. */
const ROUND_MS = 1000

export function createMeter(config: MeterConfig, deps: MeterDeps): Meter {
  const flowExport = createFlowExport(
    {
      version: config.version,
      domain: config.domain,
      startedAt: deps.startedAt,
      samplingRate: config.samplingRate,
      flowSampling: config.flowSampling,
      kernelSampling: config.kernelSampling,
      biflow: config.biflow,
      link: config.track === 'vlan' || config.track === 'ether',
      templateEvery: config.templateEvery,
      templateSeconds: config.templateSeconds,
      maxBytes: config.maxBytes,
    },
    deps.send,
  )
  const mask = keyMask({ track: config.track, tos: config.keyTos, biflow: config.biflow })
  const reader = createPacketReader(config.reading)
  const table = createFlowTable(
    {
      maxFlows: config.maxFlows,
      mask,
      timeouts: config.timeouts,
      seed: Math.floor(deps.random() * 2 ** 32),
      biflow: config.biflow,
    },
    reader,
    (flow, reason) => flowExport.flow(flow, reason),
  )
  const flowSampler =
    config.flowSampling > 1
      ? createFlowSampler({ mask, one: config.flowSampling, initialiser: Math.floor(deps.random() * 2 ** 32) })
      : undefined
  const rate = config.samplingRate
  let packets = 0
  let sampled = 0
  let inFlows = 0
  let newest = 0
  let sweptAt = 0
  // Packets until the next one that is taken, and until the end of its group
  let untilTaken = 0
  let untilNext = 0

  function isTaken(): boolean {
    if (untilNext === 0) {
      untilTaken = Math.floor(deps.random() * rate)
      untilNext = rate
    }
    untilNext--
    return untilTaken-- === 0
  }

  function add(): void {
    if (config.biflow) alignDirections(reader)
    if (flowSampler) inFlows += flowSampler.keep(reader)
    table.add()
    reader.count = 0
  }

  return {
    block(block) {
      const { count, seconds, nanos } = block
      if (count === 0) return
      newest = timeOf(seconds[count - 1] as number, nanos[count - 1] as number)
      flowExport.tick(newest)
      if (rate > 1) {
        for (let i = 0; i < count; i++) {
          if (!isTaken()) continue
          sampled++
          reader.read(block, i, i + 1)
          if (reader.count === BATCH) add()
        }
      } else {
        sampled += count
        for (let i = 0; i < count;) {
          i = reader.read(block, i, count)
          if (reader.count === BATCH) add()
        }
      }
      add()
      packets += count
    },
    keepUp(slots) {
      const owed = Math.ceil((table.reach * (newest - sweptAt)) / ROUND_MS)
      if (owed === 0) return
      // A clock of packets that goes back begins anew
      sweptAt = newest
      table.sweep(newest, owed > 0 ? Math.min(owed, slots) : slots)
    },
    tick(now, slots, mostEnded) {
      flowExport.tick(now)
      return table.sweep(now, slots, mostEnded)
    },
    flush: () => flowExport.flush(),
    slots: () => table.reach,
    end(slots) {
      if (table.endSome(slots, newest)) return true
      flowExport.flush()
      return false
    },
    status: () => ({
      packets,
      sampled,
      inFlows: flowSampler ? inFlows : sampled - reader.notIp,
      notIp: reader.notIp,
      bytes: table.bytes,
      flows: table.count,
      maxFlows: config.maxFlows,
      memory: table.memory,
      ended: {
        idle: table.ended[END.idle] as number,
        active: table.ended[END.active] as number,
        detected: table.ended[END.detected] as number,
        forced: table.ended[END.forced] as number,
        lackOfResources: table.ended[END.lackOfResources] as number,
      },
      records: flowExport.counts.records,
      unsent: flowExport.counts.unsent,
      datagrams: flowExport.counts.datagrams,
    }),
  }
}

function timeOf(seconds: number, nanos: number): number {
  return seconds * 1000 + nanos / 1e6
}
