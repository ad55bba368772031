import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { parseIp } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Datagram } from './ingest.ts'
import { listenError, type DatagramHandler, type Listener, type ListenerConfig, type SocketOptions } from './receive.ts'

// UDP by node:dgram: works everywhere, at a quarter of the rate of recvmmsg, since each datagram is a system call,
// a callback and a Buffer.

export interface DgramSockets {
  readonly listeners: readonly Listener[]
  /** Reads the kernel's drop counters into the listeners, where the system tells them (Linux). */
  readDrops(): void
  close(): void
}

/** Opens a socket for each listener, all or none; rejects with an OperatorError that names the port at fault. */
export async function openDgram(
  listeners: readonly ListenerConfig[],
  options: SocketOptions,
  clock: Clock,
  handle: DatagramHandler,
): Promise<DgramSockets> {
  const open: { socket: Socket; listener: Listener }[] = []
  try {
    for (const config of listeners) open.push(await openListener(config, options, clock, handle))
  } catch (error) {
    for (const { socket } of open) socket.close()
    throw error
  }
  return {
    listeners: open.map(({ listener }) => listener),
    readDrops() {
      for (const { listener } of open) listener.kernelDropped = kernelDrops(listener) ?? listener.kernelDropped
    },
    close() {
      for (const { socket } of open) socket.close()
      open.length = 0
    },
  }
}

async function openListener(
  config: ListenerConfig,
  options: SocketOptions,
  clock: Clock,
  handle: DatagramHandler,
): Promise<{ socket: Socket; listener: Listener }> {
  try {
    return await openSocket(config, options, clock, handle)
  } catch (error) {
    // No IPv6 in this system: `::` then means all that there is.
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    if (config.host !== '::' || cause?.code !== 'EAFNOSUPPORT') throw error
    return openSocket({ ...config, host: '0.0.0.0' }, options, clock, handle)
  }
}

async function openSocket(
  config: ListenerConfig,
  options: SocketOptions,
  clock: Clock,
  handle: DatagramHandler,
): Promise<{ socket: Socket; listener: Listener }> {
  const socket = createSocket({ type: isIPv6(config.host) ? 'udp6' : 'udp4', reusePort: options.reusePort })
  try {
    const bound = once(socket, 'listening')
    socket.bind({ address: config.host, port: config.port, exclusive: true })
    await bound
  } catch (error) {
    socket.close()
    throw listenError(String((error as NodeJS.ErrnoException).code), config, error)
  }
  try {
    socket.setRecvBufferSize(options.receiveBufferBytes)
  } catch {
    // The system's default then has to do; what was got is shown.
  }
  const { address, port } = socket.address()
  const listener: Listener = {
    address,
    port,
    // Linux tells twice what was asked, for its own overhead.
    receiveBufferBytes: socket.getRecvBufferSize() >> (process.platform === 'linux' ? 1 : 0),
    datagrams: 0,
    bytes: 0,
    kernelDropped: 0,
  }
  const datagram: Datagram = {
    bytes: new Uint8Array(0),
    view: new DataView(new ArrayBuffer(0)),
    offset: 0,
    length: 0,
    receivedAt: 0,
    source0: 0,
    source1: 0,
    source2: 0,
    source3: 0,
    sourcePort: 0,
  }
  const source = new Uint8Array(16)
  const sourceWords = new Uint32Array(source.buffer)
  socket.on('message', (message: Buffer, from: RemoteInfo) => {
    const ip = parseIp(from.address.replace(/%.*$/, ''))
    if (ip) source.set(ip)
    else source.fill(0)
    datagram.bytes = message
    datagram.view = new DataView(message.buffer, message.byteOffset, message.byteLength)
    datagram.length = message.byteLength
    datagram.receivedAt = clock.now()
    datagram.source0 = sourceWords[0] as number
    datagram.source1 = sourceWords[1] as number
    datagram.source2 = sourceWords[2] as number
    datagram.source3 = sourceWords[3] as number
    datagram.sourcePort = from.port
    listener.datagrams++
    listener.bytes += message.byteLength
    handle(datagram)
  })
  socket.on('error', () => {
    // A pending ICMP error of an earlier send: nothing that concerns receiving.
  })
  return { socket, listener }
}

/** The drops column of /proc/net/udp and udp6 for a local address and port; undefined where there is no such file. */
function kernelDrops(listener: Listener): number | undefined {
  const v6 = listener.address.includes(':')
  const port = listener.port.toString(16).toUpperCase().padStart(4, '0')
  const ip = parseIp(listener.address)
  if (!ip) return undefined
  const bytes = v6 ? ip : ip.subarray(12)
  let local = ''
  for (let i = 0; i < bytes.length; i += 4) {
    for (let j = 3; j >= 0; j--) local += (bytes[i + j] as number).toString(16).toUpperCase().padStart(2, '0')
  }
  try {
    const table = readFileSync(v6 ? '/proc/net/udp6' : '/proc/net/udp', 'latin1')
    for (const line of table.split('\n')) {
      const fields = line.trim().split(/\s+/)
      if (fields[1] === `${local}:${port}`) return Number(fields[12])
    }
  } catch {
    return undefined
  }
  return undefined
}
