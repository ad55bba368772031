import { addStatus } from './ledger.ts'
import type { Listener, TcpListenerConfig } from './receive.ts'
import { createReceiver, type Receiver, type ReceiverDeps } from './receiver.ts'
import type { IngestState, ReceiverConfig, ReceiverKind, ReceiverStatus } from './receiver-messages.ts'

// The receiver threads of a pipeline: opened side by side on the same ports, started again when one is lost, their
// counters kept beyond their end.

export interface ReceiversConfig extends Omit<ReceiverConfig, 'reusePort'> {
  /** How many threads for UDP. */
  readonly count: number
}

export interface ReceiversDeps extends Pick<ReceiverDeps, 'onBatch' | 'onMetrics' | 'onSightings'> {
  readonly onStreams: (receiver: number, ...args: Parameters<ReceiverDeps['onStreams']>) => void
  readonly onStatus: () => void
  readonly onState: () => void
  readonly log: { warn(details: object, message: string): void }
}

export interface Receivers {
  /** Listens, with the templates of earlier runs. Rejects with an OperatorError (`port_in_use`, `listen_failed`, …). */
  start(states: readonly IngestState[]): Promise<void>
  /** Ends receiving; resolves when all that was received has been handed on. */
  stop(): Promise<void>
  kind(): ReceiverKind
  /** Counters of those that run. */
  live(): ReceiverStatus[]
  /** Counters of those that run and of those that have ended. */
  all(): ReceiverStatus[]
  /** What is to be kept over a restart. */
  states(): IngestState[]
}

interface Place {
  receiver: Receiver
  status: ReceiverStatus | undefined
  state: IngestState | undefined
}

/** A receiver that was lost comes back after this pause. */
const RESTART_MS = 1_000

/** Rows of a batch of the receiver for connections, which has less to do. */
const TCP_BATCH_ROWS = 32_768

export function createReceivers({ count, tcp = [], ...config }: ReceiversConfig, deps: ReceiversDeps): Receivers {
  const overTcp = { ...config, batchRows: Math.min(config.batchRows, TCP_BATCH_ROWS) }
  const { log } = deps
  const places: Place[] = []
  const restarts = new Set<NodeJS.Timeout>()
  /** Last words of receivers that ended, added up. */
  let past: ReceiverStatus | undefined
  let kind: ReceiverKind = 'recvmmsg'
  let stopping = false
  let restored: readonly IngestState[] = []

  async function open(
    index: number,
    listeners: readonly TcpListenerConfig[],
    reusePort: boolean,
  ): Promise<readonly Listener[]> {
    let bound = listeners
    // Behind those for UDP there is one for connections.
    const connections = index === count
    const place: Place = {
      status: undefined,
      state: undefined,
      receiver: createReceiver(
        connections ? { ...overTcp, listeners: [], tcp: listeners, reusePort } : { ...config, listeners, reusePort },
        {
          // Nothing outlives a connection.
          states: connections ? [] : places[index]?.state ? [places[index].state] : restored,
          onBatch: deps.onBatch,
          onMetrics: deps.onMetrics,
          onSightings: deps.onSightings,
          onStreams: (streams, at) => deps.onStreams(index, streams, at),
          onStatus: (status) => {
            place.status = status
            deps.onStatus()
          },
          onState: (state) => {
            place.state = state
            deps.onState()
          },
          onLost: (error) => {
            log.warn({ err: error, receiver: index }, 'a receiver ended; it is started again')
            reopen(index, place, bound, reusePort)
          },
        },
      ),
    }
    const started = await place.receiver.start()
    if (!connections) kind = started.kind
    bound = listeners.map((listener, i) => ({ ...listener, port: started.listeners[i]?.port ?? 0 }))
    if (started.fallback !== null)
      log.warn({ reason: started.fallback }, 'receiving by dgram, which takes a quarter of the rate of recvmmsg')
    places[index] = place
    if (stopping) await place.receiver.stop()
    return started.listeners
  }

  function bury(place: Place): void {
    // What it held is gone with it: its streams are heard anew, its batches were its own.
    if (place.status) {
      const last = { ...place.status, streams: 0, templates: 0, pending: 0, batchesAllocated: 0, batchesFree: 0 }
      past = past ? addStatus(past, last) : last
    }
    place.status = undefined
  }

  function reopen(index: number, place: Place, listeners: readonly TcpListenerConfig[], reusePort: boolean): void {
    if (stopping) return
    bury(place)
    const timer = setTimeout(() => {
      restarts.delete(timer)
      open(index, listeners, reusePort).catch((error: unknown) => {
        log.warn({ err: error, receiver: index }, 'a receiver could not be started again')
        reopen(index, place, listeners, reusePort)
      })
    }, RESTART_MS)
    restarts.add(timer)
  }

  return {
    async start(states) {
      restored = states
      try {
        // SO_REUSEPORT lets another program of the same user take half of the datagrams without a word. So the ports are
        // first opened without it, by a receiver that only finds out whether they are free, and which they are.
        let { listeners } = config
        if (count > 1) {
          const found = await open(0, listeners, false)
          await places[0]?.receiver.stop()
          for (const place of places.splice(0)) bury(place)
          listeners = listeners.map(({ host }, i) => ({ host, port: found[i]?.port ?? 0 }))
        }
        // The kernel spreads datagrams over the sockets of a port by the hash of both addresses and ports, so that an
        // exporter stays with one receiver, where its templates are.
        for (let index = 0; index < count; index++) await open(index, listeners, count > 1)
        if (tcp.length > 0) await open(count, tcp, false)
      } catch (error) {
        stopping = true
        await Promise.all(places.map(({ receiver }) => receiver.stop()))
        throw error
      }
    },
    async stop() {
      stopping = true
      for (const timer of restarts) clearTimeout(timer)
      await Promise.all(places.map(({ receiver }) => receiver.stop()))
    },
    kind: () => kind,
    live,
    all: () => [...(past ? [past] : []), ...live()],
    states: () => places.flatMap(({ state }) => (state ? [state] : [])),
  }

  function live(): ReceiverStatus[] {
    return places.flatMap(({ status }) => (status ? [status] : []))
  }
}
