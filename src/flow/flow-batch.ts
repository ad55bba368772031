import { COLUMNS, type ColumnStorage } from './columns.ts'

// One typed array a column over one shared buffer, so that a batch moves between threads without a copy
// and goes to disk by writev. Hot code reads and writes the arrays directly.

export const BYTES_PER_ROW: Readonly<Record<ColumnStorage, number>> = {
  u8: 1,
  u16: 2,
  u32: 4,
  u64: 8,
  mac: 8,
  ip: 16,
  name: 4,
}

/** Rows a batch holds when nothing else is asked for. */
export const BATCH_ROWS = 65_536

const ZEROES = new Uint8Array(8_192)

export class FlowBatch {
  /** Rows filled. */
  n = 0
  readonly capacity: number
  readonly buffer: SharedArrayBuffer

  readonly time_received: Uint32Array
  readonly time_start: Uint32Array
  readonly time_end: Uint32Array
  readonly exporter: Uint32Array
  readonly protocol: Uint8Array
  readonly observation: Uint32Array
  readonly source_if: Uint32Array
  readonly in_if: Uint32Array
  readonly out_if: Uint32Array
  readonly direction: Uint8Array
  readonly sampling_rate: Uint32Array
  readonly forwarding_status: Uint8Array
  readonly discard_reason: Uint16Array
  readonly src_mac: Uint32Array
  readonly dst_mac: Uint32Array
  readonly vlan_in: Uint16Array
  readonly vlan_out: Uint16Array
  readonly s_vlan: Uint16Array
  readonly ethertype: Uint16Array
  readonly vni: Uint32Array
  readonly tunnel: Uint8Array
  readonly tunnel_src: Uint32Array
  readonly tunnel_dst: Uint32Array
  readonly src_addr: Uint32Array
  readonly dst_addr: Uint32Array
  readonly proto: Uint8Array
  readonly src_port: Uint16Array
  readonly dst_port: Uint16Array
  readonly tcp_flags: Uint16Array
  readonly tos: Uint8Array
  readonly ttl: Uint8Array
  readonly icmp_type: Uint8Array
  readonly icmp_code: Uint8Array
  readonly next_hop: Uint32Array
  readonly src_as: Uint32Array
  readonly dst_as: Uint32Array
  readonly src_mask: Uint8Array
  readonly dst_mask: Uint8Array
  readonly mpls_label: Uint32Array
  readonly bytes: Uint32Array
  readonly packets: Uint32Array
  readonly src_vm: Uint32Array
  readonly dst_vm: Uint32Array
  readonly src_host: Uint32Array
  readonly dst_host: Uint32Array
  readonly slice: Uint32Array
  readonly locality: Uint8Array
  readonly src_country: Uint32Array
  readonly dst_country: Uint32Array
  readonly counted: Uint8Array

  /** @param buffer of `FlowBatch.byteLength(capacity)` bytes: give one to see a batch that another thread filled. */
  constructor(capacity: number = BATCH_ROWS, buffer?: SharedArrayBuffer) {
    this.capacity = capacity
    this.buffer = buffer ?? new SharedArrayBuffer(FlowBatch.byteLength(capacity))
    const arrays = layOut(capacity, this.buffer)
    const u8 = (name: string): Uint8Array => arrays.get(name) as Uint8Array
    const u16 = (name: string): Uint16Array => arrays.get(name) as Uint16Array
    const u32 = (name: string): Uint32Array => arrays.get(name) as Uint32Array
    this.time_received = u32('time_received')
    this.time_start = u32('time_start')
    this.time_end = u32('time_end')
    this.exporter = u32('exporter')
    this.protocol = u8('protocol')
    this.observation = u32('observation')
    this.source_if = u32('source_if')
    this.in_if = u32('in_if')
    this.out_if = u32('out_if')
    this.direction = u8('direction')
    this.sampling_rate = u32('sampling_rate')
    this.forwarding_status = u8('forwarding_status')
    this.discard_reason = u16('discard_reason')
    this.src_mac = u32('src_mac')
    this.dst_mac = u32('dst_mac')
    this.vlan_in = u16('vlan_in')
    this.vlan_out = u16('vlan_out')
    this.s_vlan = u16('s_vlan')
    this.ethertype = u16('ethertype')
    this.vni = u32('vni')
    this.tunnel = u8('tunnel')
    this.tunnel_src = u32('tunnel_src')
    this.tunnel_dst = u32('tunnel_dst')
    this.src_addr = u32('src_addr')
    this.dst_addr = u32('dst_addr')
    this.proto = u8('proto')
    this.src_port = u16('src_port')
    this.dst_port = u16('dst_port')
    this.tcp_flags = u16('tcp_flags')
    this.tos = u8('tos')
    this.ttl = u8('ttl')
    this.icmp_type = u8('icmp_type')
    this.icmp_code = u8('icmp_code')
    this.next_hop = u32('next_hop')
    this.src_as = u32('src_as')
    this.dst_as = u32('dst_as')
    this.src_mask = u8('src_mask')
    this.dst_mask = u8('dst_mask')
    this.mpls_label = u32('mpls_label')
    this.bytes = u32('bytes')
    this.packets = u32('packets')
    this.src_vm = u32('src_vm')
    this.dst_vm = u32('dst_vm')
    this.src_host = u32('src_host')
    this.dst_host = u32('dst_host')
    this.slice = u32('slice')
    this.locality = u8('locality')
    this.src_country = u32('src_country')
    this.dst_country = u32('dst_country')
    this.counted = u8('counted')
  }

  /** Bytes of the buffer behind a batch of so many rows. */
  static byteLength(capacity: number): number {
    let bytes = 0
    for (const column of COLUMNS) bytes += align(BYTES_PER_ROW[column.storage] * capacity)
    return bytes
  }

  /** The raw little-endian bytes of a column's filled rows. */
  columnBytes(name: string): Uint8Array {
    const column = COLUMNS.find((c) => c.name === name)
    const array = this[name as keyof this] as Uint8Array | Uint16Array | Uint32Array
    return new Uint8Array(
      array.buffer,
      array.byteOffset,
      this.n * BYTES_PER_ROW[(column as { storage: ColumnStorage }).storage],
    )
  }

  /** Forgets the rows and zeroes what they held: normalizers write only what they know. */
  clear(): void {
    for (const { name, storage } of COLUMNS) {
      const { byteOffset } = this[name as keyof this] as Uint8Array
      // A fill of a typed array goes element by element on shared memory; one with bytes copies them in blocks
      Buffer.from(this.buffer, byteOffset, this.n * BYTES_PER_ROW[storage]).fill(ZEROES)
    }
    this.n = 0
  }
}

function align(bytes: number): number {
  return (bytes + 7) & ~7
}

function layOut(capacity: number, buffer: SharedArrayBuffer): Map<string, Uint8Array | Uint16Array | Uint32Array> {
  const arrays = new Map<string, Uint8Array | Uint16Array | Uint32Array>()
  let at = 0
  for (const { name, storage } of COLUMNS) {
    const bytes = BYTES_PER_ROW[storage] * capacity
    if (storage === 'u8') arrays.set(name, new Uint8Array(buffer, at, capacity))
    else if (storage === 'u16') arrays.set(name, new Uint16Array(buffer, at, capacity))
    else arrays.set(name, new Uint32Array(buffer, at, bytes / 4))
    at += align(bytes)
  }
  return arrays
}
