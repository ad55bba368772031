// The loop: mutate, run, and see that nothing throws, nothing takes long, and memory does not grow.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createCorpus } from './corpus.ts'
import { Mutator } from './mutate.ts'
import { Random } from './random.ts'
import { createTargets, readDamagedFile, type Target } from './targets.ts'

export interface FuzzOptions {
  readonly seed: number
  readonly iterations: number
  /** Ends earlier after so many seconds; 0 is never. */
  readonly seconds: number
  /** Folder of captures to start from beside our own inputs. */
  readonly captures?: string
}

export interface FuzzResult {
  readonly executions: number
  readonly seconds: number
  /** Inputs at the start: datagrams, packets, files. */
  readonly inputs: number
  /** The longest that one input took, in milliseconds of this thread's CPU time, and by which target. */
  readonly slowest: { readonly ms: number; readonly target: string; readonly hex: string }
  /** Bytes by which memory has grown between the first quarter and the end, after collecting garbage. */
  readonly grown: number
  readonly failures: readonly Failure[]
}

export interface Failure {
  readonly target: string
  readonly execution: number
  readonly error: string
  readonly hex: string
}

/** Shown to whoever watches: how far it is, and the input at hand. */
export interface Watched {
  /** [executions, index of the target, length of the input] */
  readonly state: Int32Array
  readonly input: Uint8Array
}

const MOST_FAILURES = 20
/** Executions between two looks at the clock and at memory. */
const ROUND = 8_192
/** Files read between them. */
const FILES_A_ROUND = 64

export async function fuzz(options: FuzzOptions, watched?: Watched): Promise<FuzzResult> {
  const corpus = await createCorpus(options.captures)
  const inputs = { netflow: corpus.netflow, sflow: corpus.sflow, packets: corpus.packets.map(({ bytes }) => bytes) }
  const random = new Random(options.seed)
  const mutator = new Mutator(random)
  const targets = createTargets()
  const turns = targets.flatMap((target, index) => Array.from({ length: target.share }, () => index))
  const memory = createMemory()
  const failures: Failure[] = []
  let slowest = { ms: 0, target: '', hex: '' }
  let baseline = 0
  let executions = 0
  const started = performance.now()
  const until = options.seconds > 0 ? started + options.seconds * 1000 : Number.POSITIVE_INFINITY

  while (executions < options.iterations && failures.length < MOST_FAILURES) {
    const round = Math.min(ROUND, options.iterations - executions)
    for (let i = 0; i < round; i++) {
      const index = turns[random.below(turns.length)] as number
      const target = targets[index] as Target
      executions++
      const length = mutator.mutate(inputs[target.of])
      if (watched) show(watched, executions, index, mutator.bytes, length)
      const before = cpu()
      try {
        target.run(mutator.bytes, length, random.word())
      } catch (error) {
        failures.push({
          target: target.name,
          execution: executions,
          error: (error as Error).stack ?? String(error),
          hex: text(mutator.bytes, length),
        })
        if (failures.length >= MOST_FAILURES) break
      }
      const ms = (cpu() - before) / 1000
      if (ms > slowest.ms) slowest = { ms, target: target.name, hex: text(mutator.bytes, length) }
    }
    for (let i = 0; i < FILES_A_ROUND && failures.length < MOST_FAILURES; i++) {
      mutator.mutate(corpus.files)
      try {
        await readDamagedFile(mutator.bytes.slice(0, mutator.length))
      } catch (error) {
        failures.push({
          target: 'capture or IPFIX file',
          execution: executions,
          error: (error as Error).stack ?? String(error),
          hex: text(mutator.bytes, mutator.length),
        })
      }
    }
    const now = performance.now()
    const done = Math.max(
      executions / options.iterations,
      options.seconds > 0 ? (now - started) / (options.seconds * 1000) : 0,
    )
    if (baseline === 0 && done >= 0.25) baseline = memory()
    if (now >= until) break
  }
  return {
    executions,
    seconds: (performance.now() - started) / 1000,
    inputs: corpus.netflow.length + corpus.sflow.length + corpus.packets.length + corpus.files.length,
    slowest,
    grown: memory() - baseline,
    failures,
  }
}

function show({ state, input }: Watched, executions: number, target: number, bytes: Uint8Array, length: number): void {
  for (let i = 0; i < length; i++) input[i] = bytes[i] as number
  state[1] = target
  state[2] = length
  Atomics.store(state, 0, executions)
}

/** Microseconds of CPU time that this thread has had: what else the machine does is not in it. */
function cpu(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

function text(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('hex')
}

function createMemory(): () => number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: { type: 'major'; flavor: 'last-resort' }) => void
  return () => {
    // V8 keeps the code of decoders that nobody has any more for a while; this collection empties such caches too.
    collect({ type: 'major', flavor: 'last-resort' })
    collect({ type: 'major', flavor: 'last-resort' })
    const { heapUsed, external } = process.memoryUsage()
    return heapUsed + external
  }
}
