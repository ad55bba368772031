// Other collectors, and a relay that gives them the very datagrams that the server gets.

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { datagramFrame, writeFrames } from './frames.ts'
import { freePort, run, start, udpBound, unreadUdp, until } from './processes.ts'
import type { Totals } from './server.ts'

export interface Relay extends AsyncDisposable {
  readonly port: number
  /** Datagrams that went through it. */
  count(): number
  datagrams(): readonly Buffer[]
  /** Writes them as a pcap file, in which they go to `port`. */
  record(file: string, port: number): void
  /** Passes on what has come by now, but nothing more; resolves when those who got it have read it. */
  finish(): Promise<void>
}

/** Sends each datagram on to every port, in order. */
export async function startRelay(ports: readonly number[]): Promise<Relay> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 2 ** 20 })
  const frames: ((port: number) => Buffer)[] = []
  const datagrams: Buffer[] = []
  let hasFinished = false
  let sending = 0
  socket.on('message', (message, from) => {
    if (hasFinished) return
    frames.push((port) => datagramFrame(message, from.port, port))
    datagrams.push(message)
    for (const port of ports) {
      sending++
      socket.send(message, port, '127.0.0.1', () => sending--)
    }
  })
  // A collector that has ended answers with ICMP; what matters is what it had counted by then.
  socket.on('error', () => undefined)
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    count: () => frames.length,
    datagrams: () => datagrams,
    record: (file, port) =>
      writeFrames(
        file,
        frames.map((frame) => frame(port)),
        Date.now(),
      ),
    finish: async () => {
      await untilRead([socket.address().port])
      hasFinished = true
      await until('the relay to have passed all on', () => (sending === 0 ? true : undefined))
      await untilRead(ports)
    },
    [Symbol.asyncDispose]: async () => {
      socket.close()
      await once(socket, 'close')
    },
  }
}

/** Until nothing waits in the sockets of these ports, at two looks: a reader may have taken the last datagram just now. */
async function untilRead(ports: readonly number[]): Promise<void> {
  let looks = 0
  await until('what was sent to be read', () => {
    looks = ports.some((port) => unreadUdp(port) > 0) ? 0 : looks + 1
    return looks === 2 ? true : undefined
  })
}

/** Bytes that may wait in a socket, with what the kernel adds to each datagram: half of what it gives unasked. */
const ROOM = 100_000

/** Until the reader of this port has kept up: who sends as fast as possible must not be who loses datagrams. */
export async function untilRoom(port: number): Promise<void> {
  await until('the reader to keep up', () => (unreadUdp(port) > ROOM ? undefined : true), 1)
}

export interface Nfcapd extends AsyncDisposable {
  readonly port: number
  /** Ends it when it has read its socket, so that it writes its file, and answers every flow of it. */
  flows(): Promise<NfdumpFlow[]>
}

export interface NfdumpFlow {
  readonly src: string
  readonly dst: string
  readonly proto: string
  readonly srcPort: string
  readonly dstPort: string
  readonly vlan: string
  /** As nfdump writes them: first and last packet, TCP flags, input interface. */
  readonly first: string
  readonly last: string
  readonly flags: string
  readonly input: string
  readonly packets: number
  readonly bytes: number
  /** Of the other direction, where the record tells of both. */
  readonly packetsBack: number
  readonly bytesBack: number
}

/** nfcapd for NetFlow and IPFIX, sfcapd for sFlow. */
export async function startNfcapd(folder: string, program: 'nfcapd' | 'sfcapd' = 'nfcapd'): Promise<Nfcapd> {
  mkdirSync(folder, { recursive: true })
  const directory = mkdtempSync(join(folder, `${program}-`))
  const port = await freePort()
  const daemon = start(program, [
    '-b',
    '127.0.0.1',
    '-p',
    String(port),
    '-w',
    directory,
    '-t',
    '3600',
    '-B',
    String(8 * 2 ** 20),
  ])
  await udpBound(port)
  return {
    port,
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
    flows: async () => {
      await untilRead([port])
      await daemon.stop()
      return parseNfdump(run('nfdump', ['-N', '-6', '-R', directory, '-o', 'csv'], { env: { TZ: 'UTC' } }))
    },
  }
}

/** Datagrams over UDP to an nfcapd that writes its files into the folder; ends when it has read all of them. */
export async function intoNfcapd(sent: readonly Buffer[], folder: string): Promise<void> {
  const port = await freePort()
  await using daemon = start(
    'nfcapd',
    ['-b', '127.0.0.1', '-p', String(port), '-w', folder, '-t', '3600', '-B', String(8 << 20)],
    { env: { TZ: 'UTC' } },
  )
  await udpBound(port)
  const socket = createSocket('udp4')
  for (const [i, bytes] of sent.entries()) {
    if (i % 16 === 0) await untilRoom(port)
    await new Promise((done) => socket.send(bytes, port, '127.0.0.1', done))
  }
  await untilRead([port])
  socket.close()
  await once(socket, 'close')
  await daemon.stop()
}

/** The flows of `nfdump -o csv`. */
export function parseNfdump(text: string): NfdumpFlow[] {
  const [head, ...lines] = text.trim().split('\n')
  const names = (head as string).split(',')
  const flows: NfdumpFlow[] = []
  for (const line of lines) {
    const cells = line.split(',').map((cell) => cell.trim())
    if (cells.length < names.length) break
    const cell = (name: string): string => cells[names.indexOf(name)] as string
    flows.push({
      src: cell('sa'),
      dst: cell('da'),
      proto: cell('pr').toLowerCase(),
      srcPort: cell('sp'),
      dstPort: cell('dp'),
      vlan: cell('svln'),
      first: cell('ts'),
      last: cell('te'),
      flags: cell('flg'),
      input: cell('in'),
      packets: Number(cell('ipkt')),
      bytes: Number(cell('ibyt')),
      packetsBack: Number(cell('opkt')),
      bytesBack: Number(cell('obyt')),
    })
  }
  return flows
}

/** Flow samples in sFlow of an agent with an IPv4 address: after 28 bytes each sample has its type and its length before it, and type 1 or 3. */
export function samplesIn(relay: Relay): number {
  let samples = 0
  for (const datagram of relay.datagrams())
    for (let at = 28; at + 8 <= datagram.length; at += 8 + datagram.readUInt32BE(at + 4))
      if (datagram.readUInt32BE(at) === 1 || datagram.readUInt32BE(at) === 3) samples++
  return samples
}

/** Totals by key of any list of flows. */
export function totalsBy<T extends { bytes: number; packets: number }>(
  flows: readonly T[],
  key: (flow: T) => string,
): Totals {
  const totals: Record<string, { bytes: number; packets: number; flows: number }> = {}
  for (const flow of flows) {
    const total = (totals[key(flow)] ??= { bytes: 0, packets: 0, flows: 0 })
    total.bytes += flow.bytes
    total.packets += flow.packets
    total.flows++
  }
  return Object.fromEntries(Object.entries(totals).sort(([a], [b]) => (a < b ? -1 : 1)))
}
