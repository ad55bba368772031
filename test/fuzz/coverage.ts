// Fuzzing by coverage: a batch of mutated inputs is run; if code was reached that never was before, the batch is run again one by one
// to find the inputs that did it, and they join the corpus.

import { Session, type Profiler } from 'node:inspector'
import { fileURLToPath } from 'node:url'
import { createCorpus } from './corpus.ts'
import { Mutator } from './mutate.ts'
import { Random } from './random.ts'
import { createTargets, type Target } from './targets.ts'

export interface CoverageOptions {
  readonly seed: number
  readonly seconds: number
  readonly captures?: string
  /** Inputs that earlier runs have found. */
  readonly kept: readonly { readonly of: string; readonly bytes: Uint8Array }[]
}

interface Input {
  readonly target: Target
  readonly bytes: Uint8Array
  readonly choice: number
}

interface Found {
  readonly of: Target['of']
  readonly bytes: Uint8Array
}

export interface CoverageResult {
  readonly executions: number
  readonly seconds: number
  /** Blocks of the code under test: those that exist as far as V8 tells, those reached, those reached by the corpus as it was. */
  readonly known: number
  readonly blocks: number
  readonly blocksAtStart: number
  readonly found: readonly Found[]
  readonly files: readonly FileCoverage[]
  readonly failures: readonly { readonly target: string; readonly error: string; readonly hex: string }[]
}

interface FileCoverage {
  readonly path: string
  readonly blocks: number
  readonly reached: number
  /** Functions never reached. */
  readonly open: readonly string[]
}

/** What is to be covered: everything that reads bytes of the network. */
const UNDER_TEST = /\/src\/(?:wire|packet|capture|collect\/(?:netflow|sflow)[^/]*)(?:\/[^.]*)?[^/]*\.ts$/
const BATCH = 512
const PARTS = 8

/** V8's precise coverage, as names of blocks. `take` answers the blocks run since the last call. */
class Coverage {
  readonly #session = new Session()
  readonly reached = new Set<string>()
  readonly known = new Map<string, string>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Answers how many blocks were run that never were before. */
  take(): number {
    let fresh = 0
    this.#session.post('Profiler.takePreciseCoverage', (error, result?: Profiler.TakePreciseCoverageReturnType) => {
      for (const script of error ? [] : (result?.result ?? [])) {
        if (!UNDER_TEST.test(script.url) || script.url.endsWith('/encode.ts')) continue
        for (const { functionName, ranges } of script.functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const block = `${script.url}:${startOffset}-${endOffset}`
            this.known.set(block, functionName)
            if (count === 0 || this.reached.has(block)) continue
            this.reached.add(block)
            fresh++
          }
        }
      }
    })
    return fresh
  }

  stop(): void {
    this.#session.disconnect()
  }

  files(): FileCoverage[] {
    const files = new Map<string, { blocks: number; reached: number; open: Set<string> }>()
    for (const [block, name] of this.known) {
      const path = fileURLToPath(block.slice(0, block.lastIndexOf(':'))).replace(/^.*\/src\//, 'src/')
      const file = files.get(path) ?? { blocks: 0, reached: 0, open: new Set<string>() }
      files.set(path, file)
      file.blocks++
      if (this.reached.has(block)) file.reached++
      else if (name !== '') file.open.add(name)
    }
    return [...files]
      .map(([path, { blocks, reached, open }]) => ({ path, blocks, reached, open: [...open] }))
      .toSorted((a, b) => a.path.localeCompare(b.path))
  }
}

export async function fuzzByCoverage(options: CoverageOptions): Promise<CoverageResult> {
  const coverage = new Coverage()
  const corpus = await createCorpus(options.captures, 20)
  const inputs: Record<Target['of'], Uint8Array[]> = {
    netflow: corpus.netflow,
    sflow: corpus.sflow,
    packets: corpus.packets.map(({ bytes }) => bytes),
  }
  for (const { of, bytes } of options.kept) if (of in inputs) inputs[of as Target['of']].push(bytes)
  const targets = createTargets().filter(({ name }) => !name.endsWith(' ingest'))
  const random = new Random(options.seed)
  const mutator = new Mutator(random)
  const found: Found[] = []
  const failures: { target: string; error: string; hex: string }[] = []
  let executions = 0

  const run = (target: Target, bytes: Uint8Array, choice: number): void => {
    executions++
    try {
      target.run(bytes, bytes.length, choice)
    } catch (error) {
      const hex = Buffer.from(bytes).toString('hex')
      failures.push({ target: target.name, error: (error as Error).stack ?? String(error), hex })
    }
  }

  /** Runs inputs; if they reached something new, runs parts of them again until it is known which did. */
  function search(some: readonly Input[]): readonly Input[] {
    const before = new Set(coverage.reached)
    for (const { target, bytes, choice } of some) run(target, bytes, choice)
    if (coverage.take() === 0) return []
    if (some.length === 1) return some
    const fresh = [...coverage.reached].filter((block) => !before.has(block))
    for (const block of fresh) coverage.reached.delete(block)
    const size = Math.ceil(some.length / PARTS)
    const which: Input[] = []
    for (let k = 0; k < some.length; k += size) which.push(...search(some.slice(k, k + size)))
    // What only the state of an ingest had made possible is found with nobody.
    for (const block of fresh) coverage.reached.add(block)
    return which
  }

  for (const target of targets)
    for (const bytes of inputs[target.of]) run(target, bytes.subarray(0, 4096), random.word())
  coverage.take()
  const blocksAtStart = coverage.reached.size
  const started = performance.now()
  while (performance.now() - started < options.seconds * 1000 && failures.length < 20) {
    const batch = Array.from({ length: BATCH }, (): Input => {
      const target = targets[random.below(targets.length)] as Target
      const length = mutator.mutate(inputs[target.of])
      return { target, bytes: mutator.bytes.slice(0, length), choice: random.word() }
    })
    for (const { target, bytes } of search(batch)) {
      inputs[target.of].push(bytes)
      found.push({ of: target.of, bytes })
    }
  }
  coverage.take()
  coverage.stop()
  return {
    executions,
    seconds: (performance.now() - started) / 1000,
    known: coverage.known.size,
    blocks: coverage.reached.size,
    blocksAtStart,
    found,
    files: coverage.files(),
    failures,
  }
}
