import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAnswer } from './answer.ts'
import { startEngineProcess, type EngineProcess } from './engine-process.ts'
import { quoted } from './literal.ts'
import type { QueryAnswer } from './store.ts'

// Stores that earlier versions left, from the dumps that scripts/store-dump.ts makes.

export interface BareEngine {
  execute(sql: string): Promise<void>
  query(sql: string): Promise<QueryAnswer>
  readonly process: EngineProcess
}

/** The engine over a directory, without anything that this version makes in it. */
export async function bareEngine(dir: string): Promise<BareEngine> {
  const engine = startEngineProcess(() => undefined)
  try {
    await engine.request({ kind: 'open', dir, options: [], maxReaders: 1, settings: 'max_threads = 2' }).answer
  } catch (error) {
    await engine.stop(0)
    throw error
  }
  return {
    process: engine,
    async execute(sql) {
      await engine.request({ kind: 'write', sql }).answer
    },
    async query(sql) {
      const settings = 'max_execution_time = 30, output_format_json_quote_64bit_integers = 1'
      const bytes = await engine.request({ kind: 'query', sql, format: 'JSONCompact', settings }).answer
      return readAnswer(bytes as Uint8Array)
    },
  }
}

/** Makes the store of `schema-N` in a directory. */
export async function restoreDump(version: number, dir: string): Promise<void> {
  const dump = join(import.meta.dirname, 'fixtures', `schema-${version}`)
  const engine = await bareEngine(dir)
  for (const statement of readFileSync(join(dump, 'tables.sql'), 'utf8').split(/;\n/))
    if (statement.trim() !== '') await engine.execute(statement)
  for (const file of readdirSync(dump).filter((name) => name.endsWith('.native.zst')))
    await engine.execute(`INSERT INTO ${file.split('.')[0]} SELECT * FROM file(${quoted(join(dump, file))}, 'Native')`)
  await engine.process.stop(2000)
}
