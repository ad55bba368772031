import { OperatorError } from '../base/errors.ts'

// Who may ask when: so many questions at once in all, so many of one client, and among clients who wait each in its turn,
// so that ten impatient ones keep neither each other nor the ingest from getting on.

export interface TurnsConfig {
  /** Questions that run at the same time. */
  readonly atOnce: number
  /** Of one client. Default: one less than of all, so that nobody fills every place. */
  readonly atOnceOfOne?: number
  /** Questions that wait, in all. */
  readonly longestQueue: number
  /** Of one client. Default: half of all. */
  readonly longestQueueOfOne?: number
}

export interface Turns {
  /** Does the work when it is the client's turn. A question that is cancelled leaves the queue. Rejects with `query_queue`, `query_cancelled`. */
  take<T>(client: string, signal: AbortSignal, work: () => Promise<T>): Promise<T>
  status(): { running: number; waiting: number; clients: number }
}

interface Client {
  running: number
  readonly waiting: (() => void)[]
}

export function createTurns(config: TurnsConfig): Turns {
  const { atOnce, longestQueue } = config
  const ofOne = config.atOnceOfOne ?? Math.max(1, atOnce - 1)
  const queueOfOne = config.longestQueueOfOne ?? Math.ceil(longestQueue / 2)
  let running = 0
  let waiting = 0
  /** In the order in which they are served; kept only while they run or wait. */
  const clients = new Map<string, Client>()

  function begin(name: string, client: Client): void {
    running++
    client.running++
    // Whoever is served goes to the end of the line.
    clients.delete(name)
    clients.set(name, client)
  }

  /** The client who waits and has least running; among equals the one who was served longest ago. */
  function next(): [string, Client] | undefined {
    let found: [string, Client] | undefined
    for (const entry of clients) {
      const [, client] = entry
      if (client.waiting.length === 0 || client.running >= ofOne) continue
      if (!found || client.running < found[1].running) found = entry
    }
    return found
  }

  function serve(): void {
    while (running < atOnce) {
      const found = next()
      if (!found) return
      const [name, client] = found
      waiting--
      begin(name, client)
      client.waiting.shift()?.()
    }
  }

  function end(name: string, client: Client): void {
    running--
    client.running--
    forget(name, client)
    serve()
  }

  function forget(name: string, client: Client): void {
    if (client.running === 0 && client.waiting.length === 0) clients.delete(name)
  }

  async function wait(name: string, client: Client, signal: AbortSignal): Promise<void> {
    if (waiting >= longestQueue || client.waiting.length >= queueOfOne) {
      forget(name, client)
      throw new OperatorError('query_queue', 'too many questions wait for an answer', {
        retryable: true,
        hint: 'ask again in a few seconds',
      })
    }
    waiting++
    await new Promise<void>((resolve, reject) => {
      const go = (): void => {
        signal.removeEventListener('abort', gone)
        resolve()
      }
      const gone = (): void => {
        client.waiting.splice(client.waiting.indexOf(go), 1)
        waiting--
        forget(name, client)
        reject(cancelled())
      }
      client.waiting.push(go)
      signal.addEventListener('abort', gone, { once: true })
    })
  }

  return {
    async take(name, signal, work) {
      if (signal.aborted) throw cancelled()
      const client = clients.get(name) ?? { running: 0, waiting: [] }
      clients.set(name, client)
      if (running < atOnce && client.running < ofOne) begin(name, client)
      else await wait(name, client, signal)
      try {
        return await work()
      } finally {
        end(name, client)
      }
    },
    status: () => ({ running, waiting, clients: clients.size }),
  }
}

function cancelled(): OperatorError {
  return new OperatorError('query_cancelled', 'the question was cancelled')
}
