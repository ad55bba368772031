import type { Millis } from '../base/clock.ts'
import type { Lane } from './lane.ts'
import type { Session } from './session.ts'

/** What a flow cache knows of one flow: the packets of one connection in one direction, seen at one port. */
export interface CachedFlow {
  readonly lane: Lane
  readonly second: boolean
  readonly clientPort: number
  /** Stands for the address outside, if it has one. */
  readonly hash: number
  packets: number
  ipBytes: number
  tcpFlags: number
  readonly first: Millis
  last: Millis
}

export interface FlowCacheOptions {
  /** Seconds. */
  readonly activeTimeout: number
  readonly inactiveTimeout: number
  readonly maxFlows: number
}

/** Why a flow was reported, as IPFIX flowEndReason (element 136) has it. */
export const END_REASON = { idle: 1, active: 2, forced: 4, lackOfResources: 5 } as const

/** Puts packets together to flows, as a router does, and reports those that ended, rested or lasted too long. */
export class FlowCache {
  private readonly flows = new Map<number, CachedFlow>()
  private readonly activeMs: number
  private readonly inactiveMs: number
  private readonly maxFlows: number
  private readonly report: (flow: CachedFlow, reason: number) => void
  private lookedAt = 0

  constructor(options: FlowCacheOptions, report: (flow: CachedFlow, reason: number) => void) {
    this.activeMs = options.activeTimeout * 1000
    this.inactiveMs = options.inactiveTimeout * 1000
    this.maxFlows = options.maxFlows
    this.report = report
  }

  add(
    lane: Lane,
    second: boolean,
    session: Session,
    packets: number,
    ipBytes: number,
    tcpFlags: number,
    now: Millis,
  ): void {
    const key = flowKey(lane, second, session)
    const flow = this.flows.get(key)
    if (flow === undefined) {
      if (this.flows.size >= this.maxFlows) this.reportAll(END_REASON.lackOfResources)
      this.flows.set(key, {
        lane,
        second,
        clientPort: session.clientPort,
        hash: session.hash,
        packets,
        ipBytes: packets * ipBytes,
        tcpFlags,
        first: now,
        last: now,
      })
      return
    }
    flow.packets += packets
    flow.ipBytes += packets * ipBytes
    flow.tcpFlags |= tcpFlags
    flow.last = now
  }

  /** Reports what is due; looks about once a second. */
  tick(now: Millis): void {
    if (now - this.lookedAt < 1000) return
    this.lookedAt = now
    for (const [key, flow] of this.flows) {
      const idle = now - flow.last >= this.inactiveMs
      if (!idle && now - flow.first < this.activeMs) continue
      this.flows.delete(key)
      this.report(flow, idle ? END_REASON.idle : END_REASON.active)
    }
  }

  reportAll(reason: number): void {
    for (const flow of this.flows.values()) this.report(flow, reason)
    this.flows.clear()
  }
}

const MOST_SLOTS = 4096
const MOST_EPOCHS = 65_536

function flowKey(lane: Lane, second: boolean, session: Session): number {
  const direction = (lane.up ? 2 : 0) + (second ? 1 : 0)
  return ((lane.conversation * 4 + direction) * MOST_SLOTS + session.slot) * MOST_EPOCHS + (session.epoch % MOST_EPOCHS)
}
