import { setTimeout as wait } from 'node:timers/promises'
import { createPacketBlock } from '../capture/packet-block.ts'
import type { PacketSource } from '../capture/packet-source.ts'
import type { Recorder } from './recorder.ts'

// What a source of packets delivers, into a recorder, until a bound is reached or somebody asks for the end.

/** Of a PacketSource what is needed here, and whether it has come to its end. */
export interface LiveSource extends Pick<PacketSource, 'next' | 'release' | 'lookAfter' | 'end'> {
  /** Why nothing will come any more; undefined while something may. */
  readonly over?: string | undefined
  /** Whether that is no end that was meant. */
  readonly hasFailed?: boolean
  /** After `end`, whether something may come that is on its way. */
  mayFollow?(): boolean
}

export interface LiveOptions {
  /** Ends after so many seconds. */
  readonly seconds: number
  /** Aborted when somebody asks for the end. */
  readonly signal: AbortSignal
  /** Called every turn. */
  turn?(): void
}

export type LiveEnd = 'packets' | 'bytes' | 'seconds' | 'asked' | 'failed' | 'over'

/** The kernel gathers packets about as long. */
const REST_MS = 10
/** It has handed over what came last after so long. */
const HAND_OVER_MS = 30
const LOOK_MS = 1000
/** What is on its way from elsewhere comes within that time. */
const FOLLOW_MS = 5000
/** Who looks on waits no longer for what has come. */
const FLUSH_MS = 100

/** Answers why it ended; the recorder is still to be ended. Never rejects. */
export async function recordLive(source: LiveSource, recorder: Recorder, options: LiveOptions): Promise<LiveEnd> {
  const { signal } = options
  const block = createPacketBlock()
  const began = performance.now()
  const elapsed = (): number => (performance.now() - began) / 1000
  let lookedAt = began
  let flushedAt = -Infinity
  const isOver = (): boolean => signal.aborted || elapsed() >= options.seconds

  async function readBlock(): Promise<boolean> {
    if (!source.next(block)) return false
    for (let at = 0; ;) {
      at = recorder.take(block, at, elapsed())
      if (at === block.count || recorder.reached !== undefined || recorder.failure !== undefined) break
      // Meanwhile the source's own buffer fills, and what it then drops is counted there
      await recorder.ready().catch(() => undefined)
    }
    source.release()
    return true
  }

  while (!isOver() && recorder.reached === undefined && recorder.failure === undefined) {
    const isBusy = await readBlock()
    const now = performance.now()
    if (now - lookedAt >= LOOK_MS) {
      lookedAt = now
      source.lookAfter()
    }
    if (now - flushedAt >= FLUSH_MS) {
      flushedAt = now
      recorder.flush()
    }
    options.turn?.()
    if (!isBusy && source.over !== undefined) break
    await (isBusy ? new Promise<void>((resolve) => setImmediate(resolve)) : wait(REST_MS))
  }
  const end: LiveEnd =
    recorder.failure !== undefined
      ? 'failed'
      : (recorder.reached ?? (signal.aborted ? 'asked' : source.over !== undefined ? 'over' : 'seconds'))
  if (end === 'failed' || end === 'over') return end
  const isBounded = recorder.reached !== undefined
  if (!isBounded) await wait(HAND_OVER_MS)
  source.end()
  // Counts come behind packets, which are passed over where a bound is reached
  const givenUp = performance.now() + FOLLOW_MS
  const mayTake = (): boolean => recorder.reached === undefined && recorder.failure === undefined
  if (!isBounded) while (mayTake() && (await readBlock()));
  while (source.mayFollow?.() === true && performance.now() < givenUp) if (!(await readBlock())) await wait(REST_MS)
  return recorder.failure === undefined ? end : 'failed'
}
