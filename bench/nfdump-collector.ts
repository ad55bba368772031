import { spawn, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { createSocket } from 'node:dgram'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cpuSeconds } from './machine.ts'

/** nfcapd or sfcapd into a new directory. */
export interface NfdumpCollector {
  readonly port: number
  readonly dir: string
  cpuSeconds(): number
  /** Ends it, so that its last file is complete. */
  stop(): Promise<void>
  remove(): void
  /** Flows, packets and bytes that nfdump finds in its files. */
  totals(): { flows: number; packets: number; bytes: number }
  bytesOnDisk(): number
}

export async function startNfdumpCollector(program: 'nfcapd' | 'sfcapd'): Promise<NfdumpCollector> {
  const dir = mkdtempSync(join(tmpdir(), `vnetscope-${program}-`))
  const port = await freePort()
  const child = spawn(program, ['-w', dir, '-l', dir, '-b', '127.0.0.1', '-p', String(port), '-B', '4194304', '-z'], {
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  await waitUntilBound(port)
  return {
    port,
    dir,
    cpuSeconds: () => cpuSeconds(child.pid as number),
    stop: async () => {
      child.kill('SIGTERM')
      await ended
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
    totals: () => {
      const out = execFileSync('nfdump', ['-R', dir, '-I'], { encoding: 'utf8' })
      const number = (name: string): number => Number(new RegExp(`^${name}: (\\d+)`, 'm').exec(out)?.[1] ?? 0)
      return { flows: number('Flows'), packets: number('Packets'), bytes: number('Bytes') }
    },
    bytesOnDisk: () => readdirSync(dir).reduce((sum, file) => sum + statSync(join(dir, file)).size, 0),
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** Until somebody else holds the port. */
async function waitUntilBound(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const socket = createSocket('udp4')
    const taken = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(true))
      socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(false)))
    })
    if (taken) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`nobody listens on UDP port ${port}`)
}
