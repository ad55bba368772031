import { cpuOf, processTree } from './machine.ts'
import { blast, until, type BenchServer, type Sent } from './server.ts'

/** What a server did of what it was sent. CPU in seconds. */
export interface Ingested {
  readonly sent: Sent
  readonly stored: number
  readonly kernelDropped: number
  /** Flows that were decoded and not kept. */
  readonly lost: number
  /** From the last datagram to the last row in the store. */
  readonly settledAfter: number
  readonly cpu: { readonly server: number; readonly engine: number }
}

/** Sends to the server, waits until all of it is stored, and says what that took, from the first datagram to the last row. */
export async function measureIngest(
  server: BenchServer,
  stream: Readonly<Record<string, string | number>>,
): Promise<Ingested> {
  const before = (await server.health()).ledger
  const cpuBefore = cpuOfServer(server)
  const sent = await blast({ ...stream, to: `127.0.0.1:${server.port}` })
  const sentAt = performance.now()
  await until(
    async () => {
      const { datagrams, flows } = (await server.health()).ledger
      const arrived = datagrams.received + datagrams.kernelDropped
      const wanted = before.datagrams.received + before.datagrams.kernelDropped + sent.datagrams + sent.templates
      return arrived >= wanted && flows.stored + flows.queueDropped + flows.spoolRefused >= flows.decoded
    },
    300,
    'everything in the store',
  )
  const { datagrams, flows } = (await server.health()).ledger
  const cpu = cpuOfServer(server)
  return {
    sent,
    stored: flows.stored - before.flows.stored,
    kernelDropped: datagrams.kernelDropped - before.datagrams.kernelDropped,
    lost: flows.queueDropped + flows.spoolRefused - before.flows.queueDropped - before.flows.spoolRefused,
    settledAfter: (performance.now() - sentAt) / 1000,
    cpu: { server: cpu.server - cpuBefore.server, engine: cpu.engine - cpuBefore.engine },
  }
}

/** CPU seconds so far, of the server's process and of those that it started. */
export function cpuOfServer(server: BenchServer): { server: number; engine: number } {
  const used = { server: 0, engine: 0 }
  for (const pid of processTree(server.pid)) {
    if (pid === server.pid) used.server += cpuOf(pid)
    else used.engine += cpuOf(pid)
  }
  return used
}
