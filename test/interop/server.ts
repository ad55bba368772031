// A real server on a data directory of its own, and what is asked of it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Health } from '../../src/api/contract/system.ts'
import { TopAnswer } from '../../src/api/contract/query.ts'
import { freePort, start, until } from './processes.ts'
import type { Program } from './processes.ts'

export const executable = join(import.meta.dirname, '..', '..', 'bin', 'vnetscope')

export interface Server extends AsyncDisposable {
  readonly program: Program
  readonly url: string
  /** UDP port that it receives on. */
  readonly port: number
  readonly data: string
  health(): Promise<Health>
  /** Waits until so many flows are stored. */
  stored(flows: number): Promise<Health>
  /** Rows of one grouping over all times, totals unscaled by nothing but the sampling rate. */
  top(by: readonly string[], filter?: string): Promise<TopAnswer>
  stop(): Promise<number | null>
}

export function temporaryFolder(): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'vnetscope-interop-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Starts it and waits for its ready line. */
export async function startServer(
  data: string,
  more: { config?: string; port?: number; tcp?: number; env?: NodeJS.ProcessEnv; executable?: string } = {},
): Promise<Server> {
  const port = more.port ?? (await freePort())
  const file = join(tmpdir(), `vnetscope-config-${process.pid}-${port}.yaml`)
  writeFileSync(
    file,
    `listeners: [{ address: 127.0.0.1, ports: [${port}], tcp: [${more.tcp ?? ''}] }]\n${more.config ?? ''}`,
  )
  const program = start(
    more.executable ?? executable,
    ['serve', '--data', data, '--http', '127.0.0.1:0', '--config', file],
    {
      env: more.env ?? {},
    },
  )
  const url = await until('the ready line', () => {
    if (program.child.exitCode !== null) throw new Error(`the server ended: ${program.output()}`)
    return /http:\/\/[\d.]+:\d+/.exec(program.output())?.[0]
  }).catch(async (error: unknown) => {
    await program.stop('SIGKILL')
    throw error
  })
  rmSync(file)
  const health = async (): Promise<Health> => Health.parse(await (await fetch(`${url}/api/v1/health`)).json())
  return {
    program,
    url,
    port,
    data,
    health,
    stored: async (flows) => {
      let last: Health | undefined
      try {
        return await until(`${flows} flows to be stored`, async () => {
          last = await health()
          return Math.max(last.store.flows, last.ledger.flows.stored) >= flows ? last : undefined
        })
      } catch (error) {
        throw new Error(`${(error as Error).message}; ${JSON.stringify(last?.ledger)} ${program.output().slice(-2000)}`)
      }
    },
    top: async (by, filter) => {
      const body = {
        from: Date.now() - 3_600_000,
        to: Date.now() + 3_600_000,
        by,
        limit: 10_000,
        ...(filter === undefined ? {} : { filter }),
      }
      const answer = await fetch(`${url}/api/v1/query/top`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const text = await answer.text()
      if (!answer.ok) throw new Error(`${answer.status}: ${text}`)
      return TopAnswer.parse(JSON.parse(text))
    },
    stop: () => program.stop(),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  }
}

/** Totals by key, in a form that is compared whole. */
export type Totals = Readonly<Record<string, { bytes: number; packets: number; flows?: number }>>

/** Key → totals; the parts of a key joined by a blank. */
export function totalsOf(answer: TopAnswer, options: { flows?: boolean } = {}): Totals {
  const entries = answer.rows.map((row) => ({
    key: answer.columns.map((column) => String(row.key[column])).join(' '),
    total: { bytes: row.bytes, packets: row.packets, ...(options.flows === true ? { flows: row.flows } : {}) },
  }))
  entries.sort((a, b) => (a.key < b.key ? -1 : 1))
  return Object.fromEntries(entries.map(({ key, total }) => [key, total]))
}
