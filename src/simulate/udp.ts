import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { OperatorError } from '../base/errors.ts'
import type { SimulatedExporter } from './simulation.ts'

/** Sockets at most; exporters beyond share them. */
const MOST_SOCKETS = 64

export interface UdpSender {
  /** Opens the sockets, one for each exporter. Rejects with an OperatorError. */
  start(): Promise<void>
  /** Waits until everything is sent, then closes. */
  stop(): Promise<void>
  /** Copies the datagram and sends it. */
  send(datagram: Uint8Array, exporter: Pick<SimulatedExporter, 'index' | 'loopback'>): void
  /** Waits until no more than so many bytes are in the sockets' queues. */
  drained(bytes: number): Promise<void>
  readonly sent: () => { datagrams: number; failed: number }
}

/**
 * Sends datagrams of many exporters to one address. To a loopback address each exporter sends from a loopback address of its
 * own, as if it were another machine; elsewhere all have the machine's, and ports of their own.
 */
export function createUdpSender(
  target: { host: string; port: number },
  exporters: readonly SimulatedExporter[],
): UdpSender {
  const sockets: Socket[] = []
  const loopback = target.host.startsWith('127.')
  let datagrams = 0
  let failed = 0
  let waiting = 0

  async function open(exporter: SimulatedExporter): Promise<void> {
    const socket = createSocket(isIPv6(target.host) ? 'udp6' : 'udp4')
    sockets.push(socket)
    socket.on('error', () => failed++)
    if (loopback && !(await bound(socket, exporter.loopback))) await bound(socket, '127.0.0.1')
    await connected(socket, target)
  }

  return {
    async start() {
      try {
        for (const exporter of exporters.slice(0, MOST_SOCKETS)) await open(exporter)
      } catch (error) {
        for (const socket of sockets.splice(0)) socket.close()
        throw error
      }
    },
    async stop() {
      await this.drained(0)
      for (const socket of sockets.splice(0)) socket.close()
    },
    send(datagram, exporter) {
      const socket = sockets[exporter.index % sockets.length]
      if (socket === undefined) return
      datagrams++
      waiting += datagram.length
      socket.send(Buffer.from(datagram), (error) => {
        waiting -= datagram.length
        if (error) failed++
      })
    },
    async drained(bytes) {
      while (waiting > bytes) await new Promise((resolve) => setImmediate(resolve))
    },
    sent: () => ({ datagrams, failed }),
  }
}

function bound(socket: Socket, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('error', () => resolve(false))
    socket.bind(0, address, () => resolve(true))
  })
}

function connected(socket: Socket, target: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.connect(target.port, target.host, (error?: Error) => {
      if (error === undefined || error === null) resolve()
      else
        reject(
          new OperatorError('target_unreachable', `can't send to ${target.host}:${target.port}: ${error.message}`, {
            cause: error,
          }),
        )
    })
  })
}
