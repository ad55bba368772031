import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { OperatorError } from './errors.ts'

// Datagrams to several targets, each on a socket of its own.

export interface DatagramTarget {
  readonly host: string
  readonly port: number
}

export interface TargetStatus extends DatagramTarget {
  readonly sent: number
  readonly failed: number
  /** Why the last one failed. */
  readonly error?: string
}

export interface DatagramSender {
  /** Sends a copy to each target. Those that can't be reached are counted, and keep nothing back. */
  send(datagram: Uint8Array): void
  /** Datagrams handed to the system and not gone yet. */
  readonly flying: number
  /** Resolves when fewer than so many are flying. */
  below(limit: number): Promise<void>
  status(): TargetStatus[]
  close(): void
}

interface Lane {
  readonly target: DatagramTarget
  readonly socket: Socket
  readonly address: string
  sent: number
  failed: number
  error: string
}

const SEND_BUFFER = 4 << 20

/**
 * @param rate datagrams a second at most, evenly: a target's socket holds few, and a file is read far faster than
 * anything that it tells of happened
 * @throws OperatorError if a target's name can't be resolved
 */
export async function createDatagramSender(
  targets: readonly DatagramTarget[],
  rate = Infinity,
): Promise<DatagramSender> {
  const lanes: Lane[] = []
  try {
    for (const target of targets) lanes.push(await laneTo(target))
  } catch (error) {
    for (const lane of lanes) lane.socket.close()
    throw error
  }
  let flying = 0
  let waiting: (() => void)[] = []
  let queue: Buffer[] = []
  let isPumping = false

  function toAll(copy: Buffer): void {
    for (const lane of lanes) {
      flying++
      lane.socket.send(copy, lane.target.port, lane.address, (error) => {
        if (error) {
          lane.failed++
          lane.error = error.message
        } else lane.sent++
        landed()
      })
    }
  }

  async function pump(): Promise<void> {
    isPumping = true
    const began = performance.now()
    for (let sent = 0; queue.length > 0;) {
      const due = ((performance.now() - began) * rate) / 1000
      for (; sent <= due && queue.length > 0; sent++) {
        flying--
        toAll(queue.shift() as Buffer)
      }
      await wait(1)
    }
    isPumping = false
  }

  function landed(): void {
    flying--
    const resumed = waiting
    waiting = []
    for (const resume of resumed) resume()
  }

  return {
    send(datagram) {
      const copy = Buffer.from(datagram)
      if (rate === Infinity) return toAll(copy)
      flying++
      queue.push(copy)
      if (!isPumping) void pump()
    },
    get flying() {
      return flying
    },
    async below(limit) {
      while (flying >= limit) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    status: () =>
      lanes.map(({ target, sent, failed, error }) => ({ ...target, sent, failed, ...(error ? { error } : {}) })),
    close() {
      // What still waits for its turn has nowhere to go
      flying -= queue.length
      queue = []
      for (const lane of lanes) lane.socket.close()
    },
  }
}

async function laneTo(target: DatagramTarget): Promise<Lane> {
  const { address, family } = await resolved(target.host)
  // Without a lookup of its own the socket would ask the resolver for each datagram
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    sendBufferSize: SEND_BUFFER,
    lookup: (_host, _options, done) => done(null, address, family),
  })
  const lane: Lane = { target, socket, address, sent: 0, failed: 0, error: '' }
  // A port where nothing listens answers by ICMP; it may listen again later
  socket.on('error', (error) => (lane.error = error.message))
  return lane
}

async function resolved(host: string): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host)
  } catch (cause) {
    throw new OperatorError('unknown_host', `there is no host named ${host}`, {
      cause,
      hint: 'give an address, or look at the spelling',
    })
  }
}
