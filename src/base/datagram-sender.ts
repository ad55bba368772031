import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { parseIp } from './address.ts'
import { OperatorError } from './errors.ts'
import { loadLibc, type Libc } from './libc.ts'
import { DatagramQueue, openMmsgSocket, type MmsgSocket } from './send-mmsg.ts'

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

/** Datagrams that are sent at once when so many are there. */
const GATHERED = 64

/**
 * @param rate datagrams a second at most, evenly: a target's socket holds few, and a file is read far faster than
 * anything that it tells of happened
 * @throws OperatorError if a target's name can't be resolved
 */
export async function createDatagramSender(
  targets: readonly DatagramTarget[],
  rate = Infinity,
): Promise<DatagramSender> {
  const found = await Promise.all(targets.map(async (target) => ({ target, ...(await resolved(target.host)) })))
  return batchSender(found, rate) ?? socketSender(found, rate)
}

interface Resolved {
  readonly target: DatagramTarget
  readonly address: string
  readonly family: number
}

/** How long to wait where the system takes no more, or where nothing more is due. */
const PAUSE_MS = 1

/** By sendmmsg(2), where it is to be had. */
function batchSender(targets: readonly Resolved[], rate: number): DatagramSender | undefined {
  let libc: Libc
  try {
    libc = loadLibc('send_unavailable', 'sendmmsg is not available')
  } catch (error) {
    if (error instanceof OperatorError) return undefined
    throw error
  }
  const queue = new DatagramQueue(libc)
  const lanes: { readonly target: DatagramTarget; readonly socket: MmsgSocket }[] = []
  for (const { target, address, family } of targets) {
    // A zone (fe80::1%eth0) needs the number of its interface, which Node's own sockets know
    const bytes = address.includes('%') ? undefined : parseIp(address)
    const socket =
      bytes && openMmsgSocket(libc, queue, family === 6 ? bytes : bytes.subarray(12), target.port, SEND_BUFFER)
    if (!socket) {
      for (const lane of lanes) lane.socket.close()
      return undefined
    }
    lanes.push({ target, socket })
  }
  let isPumping = false
  let isClosed = false

  /** Sends those before the n-th; true if all of them have gone. */
  function flush(before: number): boolean {
    let least = before
    for (const { socket } of lanes) {
      socket.send(before)
      if (socket.at < least) least = socket.at
    }
    queue.forget(least)
    return least === before
  }

  async function pump(): Promise<void> {
    isPumping = true
    const began = performance.now()
    const from = queue.first
    while (!isClosed && waiting() > 0) {
      const due = rate === Infinity ? Infinity : from + 1 + ((performance.now() - began) * rate) / 1000
      const isGone = flush(Math.min(queue.count, Math.floor(due)))
      if (!isGone || waiting() > 0) await wait(PAUSE_MS)
    }
    isPumping = false
  }

  function waiting(): number {
    let least = queue.count
    for (const { socket } of lanes) if (socket.at < least) least = socket.at
    return queue.count - least
  }

  return {
    send(datagram) {
      queue.add(datagram)
      // What is sent in one go leaves together
      if (rate === Infinity && waiting() >= GATHERED) flush(queue.count)
      if (isPumping) return
      isPumping = true
      setImmediate(() => void pump())
    },
    get flying() {
      return waiting()
    },
    async below(limit) {
      if (rate === Infinity) flush(queue.count)
      while (waiting() >= limit && !isClosed) await wait(PAUSE_MS)
    },
    status: () =>
      lanes.map(({ target, socket: { sent, failed, error } }) => ({
        ...target,
        sent,
        failed,
        ...(error ? { error } : {}),
      })),
    close() {
      isClosed = true
      for (const { socket } of lanes) socket.close()
    },
  }
}

/** By Node's own sockets. */
function socketSender(targets: readonly Resolved[], rate: number): DatagramSender {
  const lanes = targets.map(laneTo)
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

function laneTo({ target, address, family }: Resolved): Lane {
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
