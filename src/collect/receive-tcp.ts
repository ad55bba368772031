import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { parseIp } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import type { Datagram, Ingest, ProblemCode } from './ingest.ts'
import { datagramOver, listenError, type Listener, type TcpListenerConfig } from './receive.ts'
import { MessageFramer } from './tcp-frames.ts'

// IPFIX over TCP and TLS (RFC 7011 §10.4, §11). A message is handed on like a datagram. A connection that sends what is no message ends; one that
// is silent for long ends; there are only so many. When the pipeline is full, connections are not read: TCP makes the exporter wait.

/** Connections at a time, and from one address. */
const MAX_CONNECTIONS = 256
const MAX_OF_ADDRESS = 64
/** Silent so long, a connection is given up: its exporter can make a new one. */
const IDLE_MS = 1_800_000
/** One from which no whole message has come for so long gives way when there are too many. */
const GIVES_WAY_MS = 60_000
const KEEP_ALIVE_MS = 60_000
const HANDSHAKE_MS = 10_000

export interface TcpHooks {
  /** A connection has been made; what is given back comes with each of its messages. */
  readonly connected: () => Ingest
  readonly disconnected: (ingest: Ingest) => void
  /** One message of a connection; the object and its bytes are valid only during the call. */
  readonly message: (message: Datagram, ingest: Ingest) => void
  /** A connection was refused or given up for this reason. */
  readonly refused: (from: Datagram, code: ProblemCode) => void
  /** False while there is no room for what messages hold. */
  readonly ready: () => boolean
}

export interface TcpLimits {
  readonly maxConnections?: number
  readonly maxOfAddress?: number
  readonly idleMs?: number
  readonly givesWayMs?: number
}

export interface TcpSockets {
  readonly listeners: readonly Listener[]
  /** Reads on where the pipeline was full; called again and again. */
  turn(): void
  /** Takes no more connections. */
  stopListening(): void
  close(): void
  readDrops(): void
}

/** Listens. Rejects with an OperatorError (`port_in_use`, `listen_failed`, `tls_files`). */
export async function openTcp(
  configs: readonly TcpListenerConfig[],
  hooks: TcpHooks,
  clock: Clock,
  limits: TcpLimits = {},
): Promise<TcpSockets> {
  const {
    maxConnections = MAX_CONNECTIONS,
    maxOfAddress = MAX_OF_ADDRESS,
    idleMs = IDLE_MS,
    givesWayMs = GIVES_WAY_MS,
  } = limits
  const servers: Server[] = []
  const listeners: Listener[] = []
  /** When each was last heard, the one heard longest ago first. */
  const open = new Map<Socket, number>()
  const ofAddress = new Map<string, number>()
  const paused = new Set<Socket>()
  const datagram = datagramOver(new ArrayBuffer(0))

  /** Makes the reused object say where a message is from; false if the socket no longer knows. */
  function sourceIs(address: string | undefined, port: number | undefined): boolean {
    const bytes = parseIp((address ?? '').replace(/%.*$/, ''))
    if (bytes === undefined) return false
    const words = new Uint32Array(bytes.slice().buffer)
    datagram.source0 = words[0] as number
    datagram.source1 = words[1] as number
    datagram.source2 = words[2] as number
    datagram.source3 = words[3] as number
    datagram.sourcePort = port ?? 0
    datagram.offset = datagram.length = 0
    datagram.receivedAt = clock.now()
    return true
  }

  function refuse(socket: Socket, code: ProblemCode): void {
    if (sourceIs(socket.remoteAddress, socket.remotePort)) hooks.refused(datagram, code)
    socket.destroy()
  }

  /** Ends the connection heard longest ago, if that is long enough. */
  function makeRoom(): boolean {
    const [oldest] = open
    if (oldest === undefined || performance.now() - oldest[1] < givesWayMs) return false
    open.delete(oldest[0])
    refuse(oldest[0], 'connection_limit')
    return true
  }

  function serve(socket: Socket, listener: Listener): void {
    const { remoteAddress: address, remotePort: port } = socket
    // Errors of a connection end it: 'close' follows.
    socket.on('error', () => undefined)
    if (address === undefined) return void socket.destroy()
    const same = ofAddress.get(address) ?? 0
    if (same >= maxOfAddress || (open.size >= maxConnections && !makeRoom())) return refuse(socket, 'connection_limit')
    const ingest = hooks.connected()
    const framer = new MessageFramer()
    open.set(socket, performance.now())
    ofAddress.set(address, same + 1)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.setTimeout(idleMs, () => socket.destroy())

    const take = (view: DataView, offset: number, length: number): void => {
      datagram.bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      datagram.view = view
      datagram.offset = offset
      datagram.length = length
      listener.datagrams++
      listener.bytes += length
      hooks.message(datagram, ingest)
    }
    socket.on('data', (piece: Buffer) => {
      if (!sourceIs(address, port)) return
      const before = listener.datagrams
      if (!framer.push(piece, take)) return refuse(socket, 'bad_stream')
      if (listener.datagrams !== before) {
        open.delete(socket)
        open.set(socket, performance.now())
      }
      if (!hooks.ready()) {
        socket.pause()
        paused.add(socket)
      }
    })
    socket.once('close', () => {
      open.delete(socket)
      paused.delete(socket)
      const left = (ofAddress.get(address) ?? 1) - 1
      if (left === 0) ofAddress.delete(address)
      else ofAddress.set(address, left)
      if (framer.pending > 0 && sourceIs(address, port)) hooks.refused(datagram, 'truncated')
      hooks.disconnected(ingest)
    })
  }

  function close(): void {
    for (const server of servers) server.close()
    for (const socket of open.keys()) socket.destroy()
  }

  try {
    for (const config of configs) {
      const server = serverOf(config)
      server.maxConnections = maxConnections * 2
      servers.push(server)
      await listen(server, config)
      const { address, port } = server.address() as AddressInfo
      const listener: Listener = {
        address,
        port,
        transport: config.tls === undefined ? 'tcp' : 'tls',
        receiveBufferBytes: 0,
        datagrams: 0,
        bytes: 0,
        kernelDropped: 0,
      }
      listeners.push(listener)
      server.on(config.tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) =>
        serve(socket, listener),
      )
      server.on('tlsClientError', (_error: Error, socket: Socket) => refuse(socket, 'tls_failed'))
      server.on('error', () => undefined)
    }
  } catch (error) {
    close()
    throw error
  }

  return {
    listeners,
    turn() {
      if (paused.size === 0 || !hooks.ready()) return
      const waiting = [...paused]
      paused.clear()
      for (const socket of waiting) socket.resume()
    },
    stopListening() {
      for (const server of servers) server.close()
    },
    close,
    readDrops() {},
  }
}

function serverOf({ host, port, tls }: TcpListenerConfig): Server {
  if (tls === undefined) return createServer()
  try {
    return createTlsServer({
      cert: tls.cert,
      key: tls.key,
      minVersion: 'TLSv1.2',
      handshakeTimeout: HANDSHAKE_MS,
      ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
    })
  } catch (cause) {
    throw new OperatorError(
      'tls_files',
      `the certificate or the key for TLS on port ${port} on ${host} can't be used: ${(cause as Error).message}`,
      { cause, hint: 'give a certificate and its key in PEM form, the key without a passphrase' },
    )
  }
}

function listen(server: Server, { host, port }: TcpListenerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void =>
      reject(listenError(error.code ?? error.message, { host, port }, error, 'TCP'))
    server.once('error', failed)
    server.listen({ host, port }, () => {
      server.off('error', failed)
      resolve()
    })
  })
}
