/* The datagrams that udp-blast sends: alike in size, different in content, laid side by side. */

/** Datagrams of one size, side by side, with what they carry. */
export interface Prepared {
  readonly bytes: ArrayBuffer
  readonly size: number
  readonly count: number
  /** Flow records or samples in each. */
  readonly records: number
  /** Sums over each datagram's records, as a collector sees them, not scaled. */
  readonly flowBytes: Float64Array
  readonly flowPackets: Float64Array
  /** Sent first and each second. */
  readonly template?: ArrayBuffer
  /** Writes what changes from datagram to datagram: sequence numbers and time. */
  readonly stamp: (view: DataView, at: number, sequence: number, exporter: number, now: number) => void
}

export interface PrepareOptions {
  readonly count: number
  readonly hosts: number
  readonly seed: number
}

const SERVICES = [443, 443, 443, 443, 80, 80, 53, 53, 22, 123, 25, 3306, 5432, 2049, 8080, 9092] as const
const UPTIME = 86_400_000

interface Traffic {
  readonly random: () => number
  /** An IPv4 address; few of them are most of the traffic. */
  readonly host: () => number
}

function traffic({ hosts, seed }: PrepareOptions): Traffic {
  let state = seed >>> 0
  const random = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
  const cumulative = new Float64Array(hosts)
  const addresses = new Uint32Array(hosts)
  let total = 0
  for (let i = 0; i < hosts; i++) {
    total += 1 / (i + 1) ** 0.9
    cumulative[i] = total
    // Half of them inside 10.0.0.0/8, half anywhere.
    addresses[i] =
      random() < 0.5 ? 0x0a000000 + Math.floor(random() * 2 ** 24) : Math.floor(0x10000000 + random() * 0xc0000000)
  }
  const host = (): number => {
    const target = random() * total
    let low = 0
    let high = hosts - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] as number) < target) low = middle + 1
      else high = middle
    }
    return addresses[low] as number
  }
  return { random, host }
}

// NetFlow v9 fields (type, length) in the order of the record: 58 bytes.
const V9_FIELDS: readonly (readonly [type: number, length: number])[] = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 4],
  [14, 4],
  [2, 4],
  [1, 4],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
  [6, 1],
  [4, 1],
  [5, 1],
  [61, 1],
  [16, 4],
  [17, 4],
  [9, 1],
  [13, 1],
  [58, 2],
  [59, 2],
]
const V9_RECORD = 58
const V9_RECORDS = 24
const V9_TEMPLATE = 300

/** NetFlow v9 with 24 records a datagram, 1,416 bytes. */
export function netflow9Datagrams(options: PrepareOptions): Prepared {
  const { random, host } = traffic(options)
  const size = 20 + 4 + V9_RECORDS * V9_RECORD
  const bytes = new ArrayBuffer(size * options.count)
  const view = new DataView(bytes)
  const flowBytes = new Float64Array(options.count)
  const flowPackets = new Float64Array(options.count)
  for (let d = 0; d < options.count; d++) {
    const start = d * size
    view.setUint16(start, 9)
    view.setUint16(start + 2, V9_RECORDS)
    view.setUint32(start + 4, UPTIME)
    view.setUint16(start + 20, V9_TEMPLATE)
    view.setUint16(start + 22, 4 + V9_RECORDS * V9_RECORD)
    for (let r = 0; r < V9_RECORDS; r++) {
      const at = start + 24 + r * V9_RECORD
      const packets = Math.ceil(Math.exp(random() * 7))
      const octets = packets * (40 + Math.floor(random() ** 2 * 1460))
      const service = SERVICES[Math.floor(random() * SERVICES.length)] as number
      const client = 32_768 + Math.floor(random() * 28_000)
      const reply = random() < 0.5
      const udp = service === 53 || service === 123
      const vlan = 100 + Math.floor(random() * 40)
      const ended = Math.floor(random() * 10_000)
      view.setUint32(at, host())
      view.setUint32(at + 4, host())
      view.setUint32(at + 8, random() < 0.5 ? 0x0a000001 : 0x0a000002)
      view.setUint32(at + 12, 1 + Math.floor(random() * 48))
      view.setUint32(at + 16, 1 + Math.floor(random() * 48))
      view.setUint32(at + 20, packets)
      view.setUint32(at + 24, octets)
      view.setUint32(at + 28, UPTIME - ended - Math.floor(random() * 30_000))
      view.setUint32(at + 32, UPTIME - ended)
      view.setUint16(at + 36, reply ? service : client)
      view.setUint16(at + 38, reply ? client : service)
      view.setUint8(at + 40, udp ? 0 : 0x1b)
      view.setUint8(at + 41, udp ? 17 : 6)
      view.setUint8(at + 42, random() < 0.9 ? 0 : 0xb8)
      view.setUint8(at + 43, 0)
      view.setUint32(at + 44, 64_512 + Math.floor(random() * 500))
      view.setUint32(at + 48, 64_512 + Math.floor(random() * 500))
      view.setUint8(at + 52, 24)
      view.setUint8(at + 53, 16)
      view.setUint16(at + 54, vlan)
      view.setUint16(at + 56, vlan)
      flowBytes[d] = (flowBytes[d] as number) + octets
      flowPackets[d] = (flowPackets[d] as number) + packets
    }
  }
  return {
    bytes,
    size,
    count: options.count,
    records: V9_RECORDS,
    flowBytes,
    flowPackets,
    template: netflow9Template(),
    // The uptime stands still while the clock goes on, so that the flows end just before they are sent.
    stamp(target, at, sequence, exporter, now) {
      target.setUint32(at + 8, Math.floor(now / 1000))
      target.setUint32(at + 12, sequence)
      target.setUint32(at + 16, exporter + 1)
    },
  }
}

function netflow9Template(): ArrayBuffer {
  const length = 4 + 4 + V9_FIELDS.length * 4
  const template = new ArrayBuffer(20 + length)
  const view = new DataView(template)
  view.setUint16(0, 9)
  view.setUint16(2, 1)
  view.setUint32(4, UPTIME)
  view.setUint16(20, 0)
  view.setUint16(22, length)
  view.setUint16(24, V9_TEMPLATE)
  view.setUint16(26, V9_FIELDS.length)
  for (const [i, [type, bytes]] of V9_FIELDS.entries()) {
    view.setUint16(28 + i * 4, type)
    view.setUint16(30 + i * 4, bytes)
  }
  return template
}

const SFLOW_SAMPLES = 6
const SFLOW_RATE = 400
const SFLOW_HEADER = 128
const SFLOW_SAMPLE = 8 + 32 + 8 + 16 + SFLOW_HEADER + 8 + 16

/** sFlow v5 with 6 flow samples a datagram, each with 128 bytes of header and its VLANs: 1,324 bytes. */
export function sflowDatagrams(options: PrepareOptions): Prepared {
  const { random, host } = traffic(options)
  const size = 28 + SFLOW_SAMPLES * SFLOW_SAMPLE
  const bytes = new ArrayBuffer(size * options.count)
  const view = new DataView(bytes)
  const flowBytes = new Float64Array(options.count)
  const flowPackets = new Float64Array(options.count).fill(SFLOW_SAMPLES)
  for (let d = 0; d < options.count; d++) {
    const start = d * size
    view.setUint32(start, 5)
    view.setUint32(start + 4, 1)
    view.setUint32(start + 20, UPTIME)
    view.setUint32(start + 24, SFLOW_SAMPLES)
    for (let s = 0; s < SFLOW_SAMPLES; s++) {
      const at = start + 28 + s * SFLOW_SAMPLE
      const length = 64 + Math.floor(random() ** 0.5 * 1454)
      const input = 1 + Math.floor(random() * 48)
      view.setUint32(at, 1)
      view.setUint32(at + 4, SFLOW_SAMPLE - 8)
      view.setUint32(at + 12, 3)
      view.setUint32(at + 16, SFLOW_RATE)
      view.setUint32(at + 28, input)
      view.setUint32(at + 32, 1 + Math.floor(random() * 48))
      view.setUint32(at + 36, 2)
      view.setUint32(at + 40, 1)
      view.setUint32(at + 44, 16 + SFLOW_HEADER)
      view.setUint32(at + 48, 1)
      view.setUint32(at + 52, length)
      view.setUint32(at + 56, 4)
      view.setUint32(at + 60, SFLOW_HEADER)
      frame(view, at + 64, length, 100 + Math.floor(random() * 40), host(), host(), random)
      const switched = at + 64 + SFLOW_HEADER
      view.setUint32(switched, 1001)
      view.setUint32(switched + 4, 16)
      view.setUint32(switched + 8, view.getUint16(at + 64 + 14))
      view.setUint32(switched + 16, view.getUint16(at + 64 + 14))
      flowBytes[d] = (flowBytes[d] as number) + length
    }
  }
  return {
    bytes,
    size,
    count: options.count,
    records: SFLOW_SAMPLES,
    flowBytes,
    flowPackets,
    stamp(target, at, sequence, exporter) {
      target.setUint32(at + 8, 0x0a640000 + exporter + 1)
      target.setUint32(at + 16, sequence)
      for (let s = 0; s < SFLOW_SAMPLES; s++) {
        const sample = sequence * SFLOW_SAMPLES + s + 1
        target.setUint32(at + 28 + s * SFLOW_SAMPLE + 8, sample)
        target.setUint32(at + 28 + s * SFLOW_SAMPLE + 20, sample * SFLOW_RATE)
      }
    },
  }
}

/** Ethernet with a VLAN tag, IPv4 and TCP, cut at 128 bytes. */
function frame(
  view: DataView,
  at: number,
  length: number,
  vlan: number,
  from: number,
  to: number,
  random: () => number,
): void {
  const service = SERVICES[Math.floor(random() * SERVICES.length)] as number
  view.setUint16(at, 0x0200)
  view.setUint32(at + 2, to)
  view.setUint16(at + 6, 0x0200)
  view.setUint32(at + 8, from)
  view.setUint16(at + 12, 0x8100)
  view.setUint16(at + 14, vlan)
  view.setUint16(at + 16, 0x0800)
  const ip = at + 18
  view.setUint8(ip, 0x45)
  view.setUint16(ip + 2, Math.max(40, length - 22))
  view.setUint16(ip + 4, Math.floor(random() * 65_536))
  view.setUint8(ip + 8, 64)
  view.setUint8(ip + 9, 6)
  view.setUint32(ip + 12, from)
  view.setUint32(ip + 16, to)
  view.setUint16(ip + 20, service)
  view.setUint16(ip + 22, 32_768 + Math.floor(random() * 28_000))
  view.setUint8(ip + 32, 0x50)
  view.setUint8(ip + 33, 0x10)
}
