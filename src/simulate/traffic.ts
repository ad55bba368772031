import type { Millis } from '../base/clock.ts'
import type { ConversationPlan } from './conversations.ts'
import { curveAt } from './curves.ts'
import type { Port } from './data-center.ts'
import { createLane, fitPayload, frameLength, ipLength, TAG, type Lane } from './lane.ts'
import { Random } from './random.ts'

// Makes packets: every conversation sends what is due since it last did, as trains of equal packets, one after the other.

/** Takes a train: `packets` of a lane that follow each other, all of one size. */
export type TakeTrain = (lane: Lane, packets: number, frame: number, ipBytes: number, flags: number) => void

interface Conversation {
  readonly plan: ConversationPlan
  readonly up: Lane
  readonly down: Lane
  /** Packets of each class that were due but not yet whole. */
  readonly rest: Float64Array
  /** Standard normal, changes slowly. */
  mood: number
  lastAt: Millis
}

/** Milliseconds in which a mood is forgotten. */
const MOOD_LASTS = 60_000

export class Traffic {
  private readonly conversations: Conversation[]
  private readonly random: Random
  private readonly take: TakeTrain

  constructor(plans: readonly ConversationPlan[], seed: number, startedAt: Millis, take: TakeTrain) {
    this.random = new Random(seed, 'traffic')
    this.take = take
    this.conversations = plans.map((plan, i) => conversation(plan, i, this.random, startedAt))
  }

  /** Everything that the conversations of one of `slots` turns have to send up to now. */
  send(now: Millis, slot: number, slots: number): void {
    for (let i = slot; i < this.conversations.length; i += slots)
      this.sendOne(this.conversations[i] as Conversation, now)
  }

  private sendOne(conversation: Conversation, now: Millis): void {
    const { plan, rest } = conversation
    const elapsed = now - conversation.lastAt
    if (elapsed <= 0) return
    conversation.lastAt = now
    const keep = Math.exp(-elapsed / MOOD_LASTS)
    conversation.mood = keep * conversation.mood + Math.sqrt(1 - keep * keep) * this.random.normal()
    const level = Math.exp(plan.liveliness * conversation.mood - (plan.liveliness * plan.liveliness) / 2)
    const due = plan.pps * curveAt(plan.curve, now) * level * (elapsed / 1000)
    const { classes } = plan.profile
    for (let i = 0; i < classes.length; i++) {
      const kind = classes[i] as (typeof classes)[number]
      const exact = due * kind.share + (rest[i] as number)
      const packets = Math.floor(exact)
      rest[i] = exact - packets
      if (packets === 0) continue
      const lane = kind.up ? conversation.up : conversation.down
      const payload = fitPayload(lane, kind.low === kind.high ? kind.low : this.random.between(kind.low, kind.high))
      this.take(lane, packets, frameLength(lane, payload), ipLength(lane, payload), kind.flags)
    }
  }
}

function conversation(plan: ConversationPlan, index: number, random: Random, startedAt: Millis): Conversation {
  const common = {
    conversation: index,
    profile: plan.profile,
    ipv6: plan.ipv6,
    sessions: plan.sessions,
    lifetime: plan.lifetime * 1000,
  }
  return {
    plan,
    up: createLane({ ...common, up: true, src: plan.client, dst: plan.server }),
    down: createLane({ ...common, up: false, src: plan.server, dst: plan.client }),
    // Each class starts somewhere in its packet, so that slow conversations don't all send at once.
    rest: Float64Array.from(plan.profile.classes, () => random.unit()),
    mood: random.normal(),
    lastAt: startedAt,
  }
}

/** Counts a train at every port that it crosses. Uplinks carry tagged frames. */
export function countPorts(lane: Lane, packets: number, frame: number): void {
  countIn(lane.first, packets, frame)
  countOut(lane.firstOut, packets, frame)
  if (lane.second !== undefined) countIn(lane.second, packets, frame)
  if (lane.secondOut !== undefined) countOut(lane.secondOut, packets, frame)
}

function countIn(port: Port, packets: number, frame: number): void {
  port.inPackets += packets
  port.inBytes += packets * (port.uplink ? frame + TAG : frame)
}

function countOut(port: Port, packets: number, frame: number): void {
  port.outPackets += packets
  port.outBytes += packets * (port.uplink ? frame + TAG : frame)
}
