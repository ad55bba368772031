import { getPriority, setPriority } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { parentPort, receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads'
import { systemClock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import type { Datagram } from './ingest.ts'
import { inlineDecoders } from './inlining.ts'
import { createNetflowIngest } from './netflow.ts'
import { createSflowIngest } from './sflow.ts'
import type { Listener, TcpListenerConfig } from './receive.ts'
import { ConnectionIngests } from './netflow-connections.ts'
import { openTcp, type TcpSockets } from './receive-tcp.ts'
import { openDgram, type DgramSockets } from './receive-dgram.ts'
import { openRecvmmsg, type RecvmmsgSockets } from './receive-recvmmsg.ts'
import { createReceiverCore, type ReceiverCore } from './receiver-core.ts'
import {
  CONTROL,
  type FromReceiver,
  type IngestState,
  type ReceiverConfig,
  type ToReceiver,
} from './receiver-messages.ts'

// The receiving thread. With recvmmsg it never goes back to its event loop: it waits in poll(2) for at most 100 ms, so
// that a set stop flag ends it soon, and fetches its messages itself.

const WAIT_MS = 100
/** At the end, what the kernel has already taken is still read, but for no longer than this. */
const LAST_READ_MS = 100
const RECEIVER_NICE = -10

export interface ReceiverWorkerData {
  readonly config: ReceiverConfig
  readonly control: Int32Array
  readonly states: readonly IngestState[]
}

type Sockets = Pick<RecvmmsgSockets | DgramSockets | TcpSockets, 'listeners' | 'readDrops' | 'close'>

async function run(port: MessagePort, { config, control, states }: ReceiverWorkerData): Promise<void> {
  const post = (message: FromReceiver): void => port.postMessage(message)
  inlineDecoders()
  const ingestDeps = { clock: systemClock }
  const connections = config.tcp === undefined ? undefined : new ConnectionIngests(config.netflow, ingestDeps)
  let sockets: Sockets | undefined
  const core = createReceiverCore(config, {
    netflow: connections ?? createNetflowIngest(config.netflow, ingestDeps),
    sflow: createSflowIngest(config.sflow, ingestDeps),
    clock: systemClock,
    post,
    mail: () => receiveMessageOnPort(port)?.message as ToReceiver | undefined,
    listeners: () => {
      sockets?.readDrops()
      return sockets?.listeners ?? []
    },
  })
  const handle = (datagram: Datagram): void => core.datagram(datagram)
  const ready = (kind: 'recvmmsg' | 'dgram', listeners: readonly Listener[], fallback: string | null): void => {
    core.restore(states)
    core.report()
    post({ type: 'ready', kind, listeners: listeners.map(plain), fallback })
  }

  try {
    if (connections !== undefined) {
      const tcp = await openConnections(config.tcp ?? [], core, connections)
      sockets = tcp
      ready('dgram', tcp.listeners, null)
      await stopFlag(core, control, () => tcp.turn())
      // What exporters have already sent is still read.
      tcp.stopListening()
      await pause(LAST_READ_MS)
      return
    }
    const opened = config.receiver === 'dgram' ? 'not wanted' : tryRecvmmsg(config)
    if (typeof opened === 'string') {
      sockets = await openDgram(config.listeners, config, systemClock, handle)
      ready('dgram', sockets.listeners, config.receiver === 'dgram' ? null : opened)
      await stopFlag(core, control)
    } else {
      sockets = opened
      goFirst()
      ready('recvmmsg', opened.listeners, null)
      loop(opened, core, control, handle)
    }
  } finally {
    // Also when a socket fails: what was received is handed on, and the ports are free for the next receiver.
    if (sockets) core.finish()
    sockets?.close()
  }
}

/** Listens for IPFIX over TCP and TLS. */
function openConnections(
  listeners: readonly TcpListenerConfig[],
  core: ReceiverCore,
  connections: ConnectionIngests,
): Promise<TcpSockets> {
  return openTcp(
    listeners,
    {
      connected: () => connections.connected(),
      disconnected: (ingest) => connections.disconnected(ingest, core.sink),
      message: (message, ingest) => {
        connections.select(ingest)
        core.datagram(message)
      },
      refused: (from, code) => core.refuse(from, code),
      ready: () => core.ready(),
    },
    systemClock,
  )
}

/** The sockets, or why this machine has no recvmmsg. */
function tryRecvmmsg(config: ReceiverConfig): RecvmmsgSockets | string {
  try {
    return openRecvmmsg(config.listeners, config, systemClock)
  } catch (error) {
    if (config.receiver === 'auto' && error instanceof OperatorError && error.code === 'recvmmsg_unavailable')
      return error.message
    throw error
  }
}

/** Receiving is urgent, the rest can wait. On Linux the priority is this thread's alone; lowering a nice value needs CAP_SYS_NICE. */
function goFirst(): void {
  try {
    if (getPriority(0) > RECEIVER_NICE) setPriority(0, RECEIVER_NICE)
  } catch {
    // Without the right it shares like everybody.
  }
}

function loop(
  sockets: RecvmmsgSockets,
  core: ReceiverCore,
  control: Int32Array,
  handle: (datagram: Datagram) => void,
): void {
  let mail = 0
  while (Atomics.load(control, CONTROL.stop) === 0) {
    sockets.receive(WAIT_MS, handle)
    const now = Atomics.load(control, CONTROL.mail)
    if (now !== mail) {
      mail = now
      core.readMail()
    }
    core.turn()
  }
  const until = performance.now() + LAST_READ_MS
  while (performance.now() < until && sockets.receive(0, handle) > 0) core.readMail()
}

function stopFlag(core: ReceiverCore, control: Int32Array, turn?: () => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      core.readMail()
      core.turn()
      turn?.()
      if (Atomics.load(control, CONTROL.stop) === 0) return
      clearInterval(timer)
      resolve()
    }, WAIT_MS)
  })
}

function plain({ address, port, transport, receiveBufferBytes, datagrams, bytes, kernelDropped }: Listener): Listener {
  return {
    address,
    port,
    ...(transport === undefined ? {} : { transport }),
    receiveBufferBytes,
    datagrams,
    bytes,
    kernelDropped,
  }
}

if (parentPort) {
  const port = parentPort
  try {
    await run(port, workerData as ReceiverWorkerData)
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    const { code, message, hint } = error
    port.postMessage({ type: 'failed', code, message, hint } satisfies FromReceiver)
  }
}
