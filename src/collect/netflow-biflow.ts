import type { FlowBatch } from '../flow/flow-batch.ts'
import { WORD, type Notes } from './netflow-context.ts'
import type { FlowPlan } from './netflow-plan.ts'

// RFC 5103: one record may tell of both directions. The other one is a row of its own, seen from its own source; or it is added to the
// first; or it is left out.

/** Adds a row for the other direction of each record that tells of one, behind the rows of the records. */
export function addReverseRows(batch: FlowBatch, first: number, count: number, plan: FlowPlan, notes: Notes): void {
  let n = first + count
  for (let i = 0, r = first; i < count; i++, r++) {
    const bytes = 2 * i
    if (
      notes.reverse_bytes[bytes] === 0 &&
      notes.reverse_bytes[bytes + 1] === 0 &&
      notes.reverse_packets[bytes] === 0 &&
      notes.reverse_packets[bytes + 1] === 0
    )
      continue
    turn(batch, r, n)
    batch.bytes[2 * n] = notes.reverse_bytes[bytes] as number
    batch.bytes[2 * n + 1] = notes.reverse_bytes[bytes + 1] as number
    batch.packets[2 * n] = notes.reverse_packets[bytes] as number
    batch.packets[2 * n + 1] = notes.reverse_packets[bytes + 1] as number
    batch.tcp_flags[n] = notes.reverse_flags[i] as number
    batch.tos[n] = notes.reverse_tos[i] as number
    if (plan.reverseInterfaces) {
      batch.in_if[n] = notes.reverse_in[i] as number
      batch.out_if[n] = notes.reverse_out[i] as number
    }
    if (plan.reverseDirection) batch.direction[n] = notes.reverse_direction[i] as number
    if (plan.reverseVlan) batch.vlan_in[n] = notes.reverse_vlan[i] as number
    n++
  }
  batch.n = n
}

/** Adds bytes, packets and flags of the other direction to the row of each record. */
export function mergeReverse(batch: FlowBatch, first: number, count: number, notes: Notes): void {
  for (let i = 0, r = first; i < count; i++, r++) {
    add(batch.bytes, r, notes.reverse_bytes, i)
    add(batch.packets, r, notes.reverse_packets, i)
    batch.tcp_flags[r] = (batch.tcp_flags[r] as number) | (notes.reverse_flags[i] as number)
  }
}

/** 64-bit sum of two words each; beyond 2^64 it wraps, as the exporter's own counter would. */
function add(to: Uint32Array, row: number, from: Uint32Array, i: number): void {
  const low = (to[2 * row] as number) + (from[2 * i] as number)
  to[2 * row] = low
  to[2 * row + 1] = (to[2 * row + 1] as number) + (from[2 * i + 1] as number) + (low >= WORD ? 1 : 0)
}

/** Empties the notes on the other direction, for the next records. */
export function forgetReverse(count: number, notes: Notes): void {
  notes.reverse_bytes.fill(0, 0, 2 * count)
  notes.reverse_packets.fill(0, 0, 2 * count)
  notes.reverse_flags.fill(0, 0, count)
  notes.reverse_tos.fill(0, 0, count)
  notes.reverse_in.fill(0, 0, count)
  notes.reverse_out.fill(0, 0, count)
  notes.reverse_direction.fill(0, 0, count)
}

/** Copies row `from` to row `to` as the other direction of the same conversation. */
function turn(batch: FlowBatch, from: number, to: number): void {
  for (let k = 0; k < 4; k++) {
    const f = 4 * from + k
    const t = 4 * to + k
    batch.exporter[t] = batch.exporter[f] as number
    batch.src_addr[t] = batch.dst_addr[f] as number
    batch.dst_addr[t] = batch.src_addr[f] as number
    batch.tunnel_src[t] = batch.tunnel_dst[f] as number
    batch.tunnel_dst[t] = batch.tunnel_src[f] as number
  }
  for (let k = 0; k < 2; k++) {
    const f = 2 * from + k
    const t = 2 * to + k
    batch.time_received[t] = batch.time_received[f] as number
    batch.time_start[t] = batch.time_start[f] as number
    batch.time_end[t] = batch.time_end[f] as number
    batch.src_mac[t] = batch.dst_mac[f] as number
    batch.dst_mac[t] = batch.src_mac[f] as number
  }
  const copy = (column: Uint8Array | Uint16Array | Uint32Array): void => {
    column[to] = column[from] as number
  }
  const swap = <T extends Uint8Array | Uint16Array | Uint32Array>(source: T, destination: T): void => {
    source[to] = destination[from] as number
    destination[to] = source[from] as number
  }
  copy(batch.protocol)
  copy(batch.observation)
  copy(batch.source_if)
  copy(batch.sampling_rate)
  copy(batch.forwarding_status)
  copy(batch.s_vlan)
  copy(batch.ethertype)
  copy(batch.vni)
  copy(batch.tunnel)
  copy(batch.proto)
  copy(batch.icmp_type)
  copy(batch.icmp_code)
  copy(batch.counted)
  swap(batch.in_if, batch.out_if)
  swap(batch.src_port, batch.dst_port)
  swap(batch.src_as, batch.dst_as)
  swap(batch.src_mask, batch.dst_mask)
  // Where no VLAN on the way out is known, both directions are on the one that is.
  if (batch.vlan_out[from] === 0) copy(batch.vlan_in)
  else swap(batch.vlan_in, batch.vlan_out)
  batch.direction[to] = batch.direction[from] === 0 ? 0 : 3 - (batch.direction[from] as number)
}
