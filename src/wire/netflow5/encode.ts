// Writes NetFlow version 5 datagrams (Cisco, NetFlow Services Solutions Guide, tables B-3 and B-4).
//
//   header 24   version=5 ·2 count ·2 sys_uptime ms ·4 unix_secs ·4 unix_nsecs ·4 flow_sequence ·4 engine_type ·1 engine_id ·1 sampling ·2
//   record 48   srcaddr ·4 dstaddr ·4 nexthop ·4 input ·2 output ·2 packets ·4 octets ·4 first ms ·4 last ms ·4 srcport ·2 dstport ·2
//               pad ·1 tcp_flags ·1 prot ·1 tos ·1 src_as ·2 dst_as ·2 src_mask ·1 dst_mask ·1 pad ·2
//   sampling    two bits of mode (1 deterministic, 2 random), 14 of interval

const HEADER = 24
const RECORD = 48
const MOST_RECORDS = 30

export const SAMPLING_MODE = { none: 0, deterministic: 1, random: 2 } as const

/** Addresses are 4 bytes; times are milliseconds of the exporter's uptime. */
export interface Netflow5Record {
  srcAddr: Uint8Array
  dstAddr: Uint8Array
  nextHop: Uint8Array
  input: number
  output: number
  packets: number
  octets: number
  first: number
  last: number
  srcPort: number
  dstPort: number
  tcpFlags: number
  protocol: number
  tos: number
  srcAs: number
  dstAs: number
  srcMask: number
  dstMask: number
}

/** A record of zeros, to be filled again and again. */
export function emptyNetflow5Record(): Netflow5Record {
  return {
    srcAddr: new Uint8Array(4),
    dstAddr: new Uint8Array(4),
    nextHop: new Uint8Array(4),
    input: 0,
    output: 0,
    packets: 0,
    octets: 0,
    first: 0,
    last: 0,
    srcPort: 0,
    dstPort: 0,
    tcpFlags: 0,
    protocol: 0,
    tos: 0,
    srcAs: 0,
    dstAs: 0,
    srcMask: 0,
    dstMask: 0,
  }
}

export interface Netflow5EncoderOptions {
  readonly engineType: number
  readonly engineId: number
  /** One packet in this many, up to 16383; 0 or 1 if all are seen. */
  readonly samplingInterval: number
}

/** Collects records into datagrams of at most 30. The times are written as they stand when a datagram leaves. */
export class Netflow5Encoder {
  /** Milliseconds since the exporter started. */
  uptime = 0
  /** Milliseconds since 1970. */
  now = 0
  /** Flows sent before this datagram. */
  sequence = 0
  private readonly bytes = new Uint8Array(HEADER + MOST_RECORDS * RECORD)
  private readonly view = new DataView(this.bytes.buffer)
  private readonly emit: (datagram: Uint8Array) => void
  private readonly engine: number
  private count = 0
  private samplingInterval = 0

  constructor(options: Netflow5EncoderOptions, emit: (datagram: Uint8Array) => void) {
    this.emit = emit
    this.engine = (options.engineType << 8) | options.engineId
    this.setSampling(options.samplingInterval)
  }

  /** Holds from the next datagram on; what waits is sent with the former. */
  setSampling(interval: number): void {
    this.flush()
    this.samplingInterval = Math.min(interval, 0x3fff)
  }

  add(record: Netflow5Record): void {
    const { bytes, view } = this
    const at = HEADER + this.count * RECORD
    bytes.set(record.srcAddr, at)
    bytes.set(record.dstAddr, at + 4)
    bytes.set(record.nextHop, at + 8)
    view.setUint16(at + 12, record.input)
    view.setUint16(at + 14, record.output)
    view.setUint32(at + 16, record.packets)
    view.setUint32(at + 20, record.octets)
    view.setUint32(at + 24, record.first)
    view.setUint32(at + 28, record.last)
    view.setUint16(at + 32, record.srcPort)
    view.setUint16(at + 34, record.dstPort)
    bytes[at + 36] = 0
    bytes[at + 37] = record.tcpFlags
    bytes[at + 38] = record.protocol
    bytes[at + 39] = record.tos
    view.setUint16(at + 40, record.srcAs)
    view.setUint16(at + 42, record.dstAs)
    bytes[at + 44] = record.srcMask
    bytes[at + 45] = record.dstMask
    view.setUint16(at + 46, 0)
    this.count++
    if (this.count === MOST_RECORDS) this.flush()
  }

  /** Sends what waits, if anything does. */
  flush(): void {
    if (this.count === 0) return
    const { view, samplingInterval } = this
    view.setUint16(0, 5)
    view.setUint16(2, this.count)
    view.setUint32(4, this.uptime)
    view.setUint32(8, Math.floor(this.now / 1000))
    view.setUint32(12, (this.now % 1000) * 1e6)
    view.setUint32(16, this.sequence)
    view.setUint16(20, this.engine)
    view.setUint16(22, samplingInterval > 1 ? (SAMPLING_MODE.random << 14) | samplingInterval : 0)
    this.sequence = (this.sequence + this.count) >>> 0
    const length = HEADER + this.count * RECORD
    this.count = 0
    this.emit(this.bytes.subarray(0, length))
  }
}
