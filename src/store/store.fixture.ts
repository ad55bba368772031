import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import { COLUMNS } from '../flow/columns.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { createEmbeddedStore, type EmbeddedStore, type EmbeddedStoreConfig } from './embedded.ts'

// What tests of the store share: a real engine over a directory of its own, and batches with values of every kind.

export interface Place {
  readonly dir: string
  readonly spool: string
  readonly data: string
  remove(): Promise<void>
}

export async function createPlace(): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'vnetscope-store-'))
  return {
    dir,
    spool: join(dir, 'spool'),
    data: join(dir, 'store'),
    remove: () => rm(dir, { recursive: true, force: true }),
  }
}

/**
 * The embedded store; or with VNETSCOPE_TEST_HOME `server` or `cluster` the same over HTTP, over servers that the
 * stand-in plays, for the tests that hold for every home.
 */
export async function startStore(dir: string, config: Partial<EmbeddedStoreConfig> = {}): Promise<EmbeddedStore> {
  const home = process.env['VNETSCOPE_TEST_HOME']
  if (home === 'server' || home === 'cluster') {
    const { startStoreOverHttp } = await import('./clickhouse.fixture.ts')
    return (await startStoreOverHttp(dir, home, config)) as EmbeddedStore
  }
  const store = createEmbeddedStore({ dir, memoryBytes: 2 ** 30, ...config }, { clock: systemClock })
  await store.start()
  return store
}

/** Numbers of 0 to 2^32 - 1, the same ones for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return (t ^ (t >>> 14)) >>> 0
  }
}

export function setTime(words: Uint32Array, row: number, ms: number): void {
  words[2 * row] = ms % 2 ** 32
  words[2 * row + 1] = Math.floor(ms / 2 ** 32)
}

/** Rows whose every column has any value that its type can have; received at `time`, numbered in `observation`. */
export function randomBatch(seed: number, rows: number, time: number, names: number, firstNumber = 0): FlowBatch {
  const random = randomFrom(seed)
  const batch = new FlowBatch(rows)
  batch.n = rows
  for (const column of COLUMNS) {
    const bytes = batch.columnBytes(column.name)
    for (let i = 0; i < bytes.length; i++) bytes[i] = random()
    if (column.values)
      for (let i = 0; i < rows; i++) bytes[i] = (bytes[i] as number) % 6 === 5 ? 5 : (bytes[i] as number) % 3
    if (column.format === 'boolean') for (let i = 0; i < rows; i++) bytes[i] = (bytes[i] as number) & 1
    if (column.storage === 'name') for (let i = 0; i < rows; i++) batch[column.name as 'src_vm'][i] = random() % names
  }
  for (let i = 0; i < rows; i++) {
    setTime(batch.time_received, i, time)
    setTime(batch.time_start, i, time - (random() % 1e6))
    setTime(batch.time_end, i, random() * 400)
    batch.direction[i] = random() % 3
    batch.protocol[i] = [0, 1, 5, 7, 9, 10][random() % 6] as number
    batch.observation[i] = firstNumber + i
    if (random() % 2 === 0) mapped(batch.src_addr, i)
  }
  return batch
}

function mapped(words: Uint32Array, row: number): void {
  words[4 * row] = 0
  words[4 * row + 1] = 0
  words[4 * row + 2] = 0xffff0000
}
