import { Worker } from 'node:worker_threads'
import type { FuzzOptions, FuzzResult, Watched } from './fuzz.ts'
import { MOST_BYTES } from './mutate.ts'
import { createTargets } from './targets.ts'

/** Longer than any input may take, on the slowest machine. */
const HANG_MS = 20_000

/** Fuzzes in a thread of its own and watches it: an input that never ends is reported as a failure too. */
export async function fuzzWatched(options: FuzzOptions, progress?: (executions: number) => void): Promise<FuzzResult> {
  const watched: Watched = {
    state: new Int32Array(new SharedArrayBuffer(12)),
    input: new Uint8Array(new SharedArrayBuffer(MOST_BYTES)),
  }
  const worker = new Worker(new URL('fuzz-worker.ts', import.meta.url), { workerData: { options, watched } })
  return await new Promise<FuzzResult>((resolve, reject) => {
    let last = 0
    let since = performance.now()
    const timer = setInterval(() => {
      const executions = Atomics.load(watched.state, 0)
      progress?.(executions)
      const now = performance.now()
      if (executions !== last || executions === 0) {
        last = executions
        since = now
      } else if (now - since > HANG_MS && executions < options.iterations) {
        const target = createTargets()[watched.state[1] as number]?.name ?? ''
        const hex = Buffer.from(watched.input.subarray(0, watched.state[2])).toString('hex')
        end()
        void worker.terminate()
        resolve({
          executions,
          seconds: 0,
          inputs: 0,
          slowest: { ms: now - since, target, hex },
          grown: 0,
          failures: [{ target, execution: executions, error: `did not end in ${HANG_MS} ms`, hex }],
        })
      }
    }, 1_000)
    const end = (): void => clearInterval(timer)
    worker.once('message', (result: FuzzResult) => {
      end()
      resolve(result)
    })
    worker.once('error', (error) => {
      end()
      reject(error)
    })
  })
}
