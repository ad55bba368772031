// A fast sender of NetFlow v9 or sFlow: datagrams are prepared beforehand and leave by UDP segmentation offload, many to
// a system call, with sequence numbers kept per exporter. Linux only. Prints what it sent as one JSON object.
//
//   node bench/udp-blast.ts --to 127.0.0.1:2055 --kind v9 --rate 20000 --seconds 10

import koffi from 'koffi'
import { parseArgs } from 'node:util'
import { netflow9Datagrams, sflowDatagrams, type Prepared } from './udp-blast-datagrams.ts'

const SOL_UDP = 17
const UDP_SEGMENT = 103
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const AF_INET = 2
const SOCK_DGRAM = 2

const { values } = parseArgs({
  options: {
    to: { type: 'string', default: '127.0.0.1:2055' },
    kind: { type: 'string', default: 'v9' },
    rate: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '10' },
    datagrams: { type: 'string' },
    exporters: { type: 'string', default: '8' },
    hosts: { type: 'string', default: '200000' },
    variety: { type: 'string', default: '16384' },
    segments: { type: 'string', default: '16' },
    'template-seconds': { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
    help: { type: 'boolean', default: false },
  },
})
if (values.help || !['v9', 'sflow'].includes(values.kind)) {
  process.stdout
    .write(`udp-blast: sends NetFlow v9 (24 records a datagram) or sFlow (6 samples a datagram) as fast as asked
  --to HOST:PORT    IPv4 address and port (127.0.0.1:2055)
  --kind v9|sflow   what to send (v9)
  --rate N          datagrams a second; 0: as fast as it goes (20000)
  --seconds S       for how long (10)
  --datagrams N     ends after so many datagrams, if that is sooner
  --exporters N     sending sockets; on loopback each has an address of its own, 127.0.0.1 and on (8)
  --hosts N         addresses that appear in the flows, Zipf-distributed (200000)
  --variety N       different datagrams, sent in turn (16384)
  --segments N      datagrams a system call (16)
  --template-seconds S  templates come again after so long (1)
  --seed N          of the random values (1)
`)
  process.exit(values.help ? 0 : 2)
}

const c = koffi.load(null)
const socket = c.func('int socket(int, int, int)') as (family: number, type: number, protocol: number) => number
const bind = c.func('int bind(int, uintptr_t, uint)') as (fd: number, address: number, length: number) => number
const connect = c.func('int connect(int, uintptr_t, uint)') as (fd: number, address: number, length: number) => number
const setsockopt = c.func('int setsockopt(int, int, int, uintptr_t, uint)') as (
  fd: number,
  level: number,
  option: number,
  value: number,
  length: number,
) => number
const send = c.func('int64_t send(int, uintptr_t, size_t, int)') as (
  fd: number,
  bytes: number,
  length: number,
  flags: number,
) => number
const usleep = c.func('int usleep(uint)') as (microseconds: number) => number
const addressOf = (buffer: ArrayBuffer): number => Number(koffi.address(buffer))

const [host, portText] = values.to.split(':') as [string, string]
const destination = host.split('.').map(Number)
const rate = Number(values.rate)
const seconds = Number(values.seconds)
const exporters = Number(values.exporters)
const limit = values.datagrams === undefined ? Number.POSITIVE_INFINITY : Number(values.datagrams)

const options = { count: Number(values.variety), hosts: Number(values.hosts), seed: Number(values.seed) }
const prepared: Prepared = values.kind === 'v9' ? netflow9Datagrams(options) : sflowDatagrams(options)
const segments = Math.min(Number(values.segments), Math.floor(65_507 / prepared.size), prepared.count)
const base = addressOf(prepared.bytes)
const template = prepared.template
const templateAt = template ? addressOf(template) : 0

function fail(what: string): never {
  const errno = koffi.errno()
  const name = Object.entries(koffi.os.errno).find(([, value]) => value === errno)?.[0] ?? errno
  process.stderr.write(`udp-blast: ${what}: ${name}\n`)
  process.exit(1)
}

function sockaddr(bytes: readonly number[], port: number): ArrayBuffer {
  const address = new ArrayBuffer(16)
  const view = new DataView(address)
  view.setUint16(0, AF_INET, true)
  view.setUint16(2, port)
  new Uint8Array(address).set(bytes, 4)
  return address
}

function open(index: number): number {
  const fd = socket(AF_INET, SOCK_DGRAM, 0)
  if (fd < 0) fail('socket')
  const int = new Int32Array(new ArrayBuffer(64))
  int[0] = prepared.size
  if (setsockopt(fd, SOL_UDP, UDP_SEGMENT, addressOf(int.buffer), 4) !== 0) fail('UDP_SEGMENT')
  int[0] = 4 * 1024 * 1024
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, addressOf(int.buffer), 4)
  if (destination[0] === 127) {
    const n = index + 1
    const source = sockaddr([127, (n >> 16) & 0xff, (n >> 8) & 0xff, n & 0xff], 0)
    if (bind(fd, addressOf(source), 16) !== 0) fail('bind')
  }
  const target = sockaddr(destination, Number(portText))
  if (connect(fd, addressOf(target), 16) !== 0) fail('connect')
  return fd
}

const fds = Array.from({ length: exporters }, (_, i) => open(i))
const sequences = new Uint32Array(exporters)
const sent = { datagrams: 0, templates: 0, errors: 0, records: 0, bytes: 0, packets: 0, octets: 0 }

/** Exporters that are sent for at once: more would not fit into a receive buffer. */
const TEMPLATES_AT_ONCE = 256
const TEMPLATES_PAUSE_US = 1000

function sendTemplates(): void {
  if (!template) return
  for (let e = 0; e < exporters; e++) {
    if (e > 0 && e % TEMPLATES_AT_ONCE === 0) usleep(TEMPLATES_PAUSE_US)
    prepared.stamp(new DataView(template), 0, sequences[e] as number, e, Date.now())
    if (send(fds[e] as number, templateAt, template.byteLength, 0) !== template.byteLength) continue
    sequences[e] = (sequences[e] as number) + 1
    sent.templates++
    sent.octets += template.byteLength
  }
}

const view = new DataView(prepared.bytes)
const started = performance.now()
let now = started
let nextTemplates = started
let exporter = 0
let next = 0
while (now - started < seconds * 1000 && sent.datagrams < limit) {
  if (now >= nextTemplates) {
    sendTemplates()
    nextTemplates += Number(values['template-seconds']) * 1000
  }
  const due = rate === 0 ? Number.POSITIVE_INFINITY : ((now - started) * rate) / 1000
  if (sent.datagrams >= due) {
    usleep(100)
    now = performance.now()
    continue
  }
  const n = Math.min(segments, prepared.count - next, limit - sent.datagrams)
  const wall = Date.now()
  let sequence = sequences[exporter] as number
  for (let i = 0; i < n; i++) prepared.stamp(view, (next + i) * prepared.size, sequence++, exporter, wall)
  const length = n * prepared.size
  if (send(fds[exporter] as number, base + next * prepared.size, length, 0) === length) {
    sequences[exporter] = sequence
    sent.datagrams += n
    sent.octets += length
    sent.records += n * prepared.records
    for (let i = next; i < next + n; i++) {
      sent.bytes += prepared.flowBytes[i] as number
      sent.packets += prepared.flowPackets[i] as number
    }
  } else {
    // ECONNREFUSED of an earlier datagram, or no buffer: the sequence numbers are used again.
    sent.errors++
  }
  next = next + n >= prepared.count ? 0 : next + n
  exporter = exporter + 1 === exporters ? 0 : exporter + 1
  now = performance.now()
}
const took = (performance.now() - started) / 1000
process.stdout.write(
  `${JSON.stringify({ kind: values.kind, seconds: took, ...sent, datagramsPerSecond: Math.round(sent.datagrams / took), recordsPerSecond: Math.round(sent.records / took) })}\n`,
)
process.exit(0)
