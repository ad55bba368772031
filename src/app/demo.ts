import { extname } from 'node:path'
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { DemoThreadConfig } from './demo-worker.ts'

/** How much of the past the demo makes, so that the first chart is not empty. */
export const DEMO_PAST_MS = 6 * 3_600_000

export interface DemoDeps {
  /** Lets the pipeline take batches from this port. */
  readonly openDoor: (port: MessagePort) => void
  readonly failed: (error: Error) => void
}

/** Runs the simulated data center beside the server, on a thread of its own. */
export function createDemo(config: Omit<DemoThreadConfig, 'door'>, deps: DemoDeps) {
  let worker: Worker | undefined
  return {
    start(): void {
      const { port1, port2 } = new MessageChannel()
      deps.openDoor(port2)
      const file = new URL(`./demo-worker${extname(import.meta.filename)}`, import.meta.url)
      worker = new Worker(file, { workerData: { ...config, door: port1 }, transferList: [port1], name: 'demo' })
      worker.on('error', (error) =>
        deps.failed(error instanceof Error ? error : new Error(String(error), { cause: error })),
      )
    },
    async stop(): Promise<void> {
      const ending = worker
      worker = undefined
      if (!ending) return
      await ending.terminate()
    },
  }
}
