// One sFlow flow sample or discarded packet → one row of the batch.
import type { FlowBatch } from '../flow/flow-batch.ts'
import { stampRows, type RowStamp } from '../flow/stamp-rows.ts'
import { v4Into, v6Into } from '../packet/columns.ts'
import { dissect, TUNNEL } from '../packet/dissect.ts'
import { SAMPLE, type SflowReader } from '../wire/sflow/reader.ts'
import { FLOW_STRUCTURES } from '../wire/sflow/structures.ts'

const INGRESS = 1
const EGRESS = 2
/** forwardingStatus 128 (IANA element 89): dropped, for a reason that `discard_reason` holds. */
const DROPPED = 128

/**
 * What nearly all samples are, read from their bytes at once: a whole compact flow sample of a sampled_header and perhaps what the switch and
 * the router say of it. False, with nothing written, if the sample is anything else: then `fillSflowRow` reads it, and writes the same.
 */
export function fillPlainRow(view: DataView, start: number, end: number, batch: FlowBatch, row: number): boolean {
  if (end - start < 32) return false
  // Counts and lengths as signed words, which stay integers in a register: those from 2^31 on are negative, and can't be right
  let left = view.getInt32(start + 28)
  let at = start + 32
  let headerAt = 0
  let headerEnd = 0
  let switchAt = 0
  let routerAt = 0
  let routerEnd = 0
  while (left !== 0) {
    if (end - at < 8) return false
    const type = view.getInt32(at)
    const given = view.getInt32(at + 4)
    at += 8
    if (given < 0 || given > end - at) return false
    const next = at + ((given + 3) & ~3)
    if (next > end) return false
    if (type === 1 && given >= 16 && headerAt === 0) {
      headerAt = at
      headerEnd = next
    } else if (type === 1001 && given >= 16) switchAt = at
    else if (type === 1002) {
      routerAt = at
      routerEnd = next
    } else return false
    at = next
    left--
  }
  if (headerAt === 0) return false
  // sampled_header: header_protocol 4, frame_length 4, stripped 4, header opaque<>
  const captured = view.getInt32(headerAt + 12)
  const have = headerEnd - headerAt - 16
  const length = captured >= 0 && captured < have ? captured : have
  batch.bytes[row << 1] = view.getInt32(headerAt + 4)
  dissect(view, headerAt + 16, length, view.getInt32(headerAt), batch, row)
  if (switchAt !== 0) switchRecord(view, switchAt, batch, row)
  if (routerAt !== 0) routerRecord(view, routerAt, routerEnd, batch, row)
  // struct flow_sample: sequence 4, source { class 8 bits, index 24 bits } 4, sampling_rate 4, sample_pool 4, drops 4, input 4, output 4
  const source = view.getInt32(start + 4)
  const rate = view.getInt32(start + 8)
  const output = view.getInt32(start + 24)
  ports(source >>> 24, source & 0xffffff, view.getInt32(start + 20), output, batch, row)
  batch.sampling_rate[row] = rate === 0 ? 1 : rate
  return true
}

/**
 * Reads the records of the reader's current flow sample into `row`, which must be zeroed, except for what `stampSamples` writes. `bytes` is the frame length as the agent tells it, which counts the 4 bytes of the frame check sequence
 * (sFlow v5, struct sampled_header); for samples without a header it is the length of their IP packet.
 *
 * A sample that describes an application's operation and no packet makes no row, nor does one that is cut off before its packet: then
 * false is answered, and the row is still zeroed.
 */
export function fillSflowRow(reader: SflowReader, batch: FlowBatch, row: number): boolean {
  const view = reader.view
  let header = 0
  let ethernetAt = 0
  let ipAt = 0
  let ipVersion = 0
  let switchAt = 0
  let routerAt = 0
  let routerEnd = 0
  let gatewayAt = 0
  let gatewayEnd = 0
  let mplsAt = 0
  let mplsEnd = 0
  let vlanStackAt = 0
  let vlanInAt = 0
  let vlanOutAt = 0
  let tunnelAt = 0
  let tunnelVersion = 0
  let vni = -1
  let application = false

  while (reader.nextRecord()) {
    const at = reader.recordAt
    const length = reader.recordEnd - at
    // Of a record that the datagram cuts off only a packet's header can be used
    if (reader.recordCut && reader.recordType !== 1) break
    switch (reader.recordType) {
      case 1:
        // sampled_header: header_protocol 4, frame_length 4, stripped 4, header opaque<>
        if (length >= 16 && header === 0) {
          header = at
          const given = view.getUint32(at + 12)
          const have = length - 16
          batch.bytes[2 * row] = view.getUint32(at + 4)
          dissect(view, at + 16, given < have ? given : have, view.getUint32(at), batch, row)
        }
        break
      case 2:
        if (length >= 24) ethernetAt = at
        break
      case 3:
        if (length >= 32) {
          ipAt = at
          ipVersion = 4
        }
        break
      case 4:
        if (length >= 56) {
          ipAt = at
          ipVersion = 6
        }
        break
      case 1001:
        if (length >= 16) switchAt = at
        break
      case 1002:
        routerAt = at
        routerEnd = reader.recordEnd
        break
      case 1003:
        gatewayAt = at
        gatewayEnd = reader.recordEnd
        break
      case 1006:
        mplsAt = at
        mplsEnd = reader.recordEnd
        break
      case 1012:
        if (length >= 8) vlanStackAt = at
        break
      case 1034:
        if (length >= 8) vlanInAt = at
        break
      case 1035:
        if (length >= 8) vlanOutAt = at
        break
      case 1023:
      case 1024:
        if (length >= 32) {
          tunnelAt = at
          tunnelVersion = 4
        }
        break
      case 1025:
      case 1026:
        if (length >= 56) {
          tunnelAt = at
          tunnelVersion = 6
        }
        break
      case 1029:
      case 1030:
        if (length >= 4) vni = view.getUint32(at)
        break
      default:
        if (isApplication(reader.recordType)) application = true
        if (!FLOW_STRUCTURES.has(reader.recordType)) reader.stepOver(reader.recordType)
        break
    }
  }

  if (header === 0) {
    if (ethernetAt === 0 && ipAt === 0 && (application || reader.sampleCut)) return false
    if (ethernetAt !== 0) ethernetRecord(view, ethernetAt, batch, row)
    if (ipAt !== 0) ipRecord(view, ipAt, ipVersion, batch, row)
  }
  if (switchAt !== 0) switchRecord(view, switchAt, batch, row)
  if (vlanInAt !== 0) vlanIn(view, vlanInAt, batch, row, reader.sampleEnd)
  if (vlanOutAt !== 0) {
    const inner = innermost(view, vlanOutAt, reader.sampleEnd)
    if (inner > 0) batch.vlan_out[row] = inner
  }
  if (vlanStackAt !== 0) vlanStack(view, vlanStackAt, batch, row)
  if (routerAt !== 0) routerRecord(view, routerAt, routerEnd, batch, row)
  if (gatewayAt !== 0) gatewayRecord(view, gatewayAt, gatewayEnd, batch, row)
  if (mplsAt !== 0 && batch.mpls_label[row] === 0) mplsRecord(view, mplsAt, mplsEnd, batch, row)
  if (tunnelAt !== 0 && batch.tunnel[row] === 0) tunnelRecord(view, tunnelAt, tunnelVersion, batch, row)
  if (vni >= 0 && batch.vni[row] === 0) batch.vni[row] = vni
  head(reader, batch, row)
  return true
}

/** What all rows of a datagram have in common: one object, written anew for each. */
export interface SampleStamp extends RowStamp {
  receivedAt: number
  exporter0: number
  exporter1: number
  exporter2: number
  exporter3: number
  observation: number
}

export function createSampleStamp(): SampleStamp {
  return { receivedAt: 0, exporter0: 0, exporter1: 0, exporter2: 0, exporter3: 0, protocol: 1, observation: 0 }
}

/** Writes what the rows from `from` to before `to` have from their datagram. Each is one packet, which starts and ends when it is received. */
export function stampSamples(stamp: SampleStamp, batch: FlowBatch, from: number, to: number): void {
  stampRows(batch, from, to, stamp)
  const { time_start, time_end, packets } = batch
  const low = stamp.receivedAt | 0
  const high = (stamp.receivedAt / TWO_32) | 0
  for (let at = from << 1; at < 2 * to; at = (at + 2) | 0) {
    time_start[at] = low
    time_start[at | 1] = high
    time_end[at] = low
    time_end[at | 1] = high
    packets[at] = 1
  }
}

const TWO_32 = 4_294_967_296

function head(reader: SflowReader, batch: FlowBatch, row: number): void {
  if (reader.sampleType === SAMPLE.discarded) {
    batch.source_if[row] = reader.sourceIndex
    batch.in_if[row] = reader.input
    batch.out_if[row] = reader.output
    // Discards are told one by one, not sampled
    batch.sampling_rate[row] = 1
    batch.discard_reason[row] = reader.reason
    batch.forwarding_status[row] = DROPPED
    batch.direction[row] = INGRESS
    return
  }
  const rate = reader.samplingRate
  batch.sampling_rate[row] = rate === 0 ? 1 : rate
  ports(reader.sourceClass, reader.sourceIndex | 0, reader.input | 0, reader.output | 0, batch, row)
}

/** Where a sampled packet came in and left, and with that its direction at the data source; or why it was discarded. Ports as signed words. */
function ports(
  sourceClass: number,
  source: number,
  input: number,
  output: number,
  batch: FlowBatch,
  row: number,
): void {
  batch.source_if[row] = source
  batch.in_if[row] = input
  batch.out_if[row] = output
  if (sourceClass === 0) batch.direction[row] = source === input ? INGRESS : source === output ? EGRESS : 0
  if (output >>> 30 === 1) {
    batch.discard_reason[row] = output & 0x3fffffff
    batch.forwarding_status[row] = DROPPED
  }
}

// Transactions of applications: sockets (2100-2103), memcache, http, app_* (2200-2208); 2209 and 2210 go with packets
function isApplication(type: number): boolean {
  return type >= 2000 && type <= 2208
}

// sampled_ethernet: length 4, src_mac 8, dst_mac 8, type 4
function ethernetRecord(view: DataView, at: number, batch: FlowBatch, row: number): void {
  batch.bytes[2 * row] = view.getUint32(at)
  batch.src_mac[2 * row + 1] = view.getUint16(at + 4)
  batch.src_mac[2 * row] = view.getUint32(at + 6)
  batch.dst_mac[2 * row + 1] = view.getUint16(at + 12)
  batch.dst_mac[2 * row] = view.getUint32(at + 14)
  batch.ethertype[row] = view.getUint32(at + 20)
}

// sampled_ipv4: length 4, protocol 4, src 4, dst 4, src_port 4, dst_port 4, tcp_flags 4, tos 4; sampled_ipv6: the same with 16-byte addresses
function ipRecord(view: DataView, at: number, version: number, batch: FlowBatch, row: number): void {
  if (batch.bytes[2 * row] === 0) batch.bytes[2 * row] = view.getUint32(at)
  if (batch.ethertype[row] === 0) batch.ethertype[row] = version === 4 ? 0x0800 : 0x86dd
  const protocol = view.getUint32(at + 4)
  batch.proto[row] = protocol
  let rest = at + 8
  if (version === 4) {
    v4Into(view, rest, batch.src_addr, row)
    v4Into(view, rest + 4, batch.dst_addr, row)
    rest += 8
  } else {
    v6Into(view, rest, batch.src_addr, row)
    v6Into(view, rest + 16, batch.dst_addr, row)
    rest += 32
  }
  if (protocol === 1 || protocol === 58) {
    // The structure has no other place for the ICMP type and code
    batch.icmp_type[row] = view.getUint32(rest)
    batch.icmp_code[row] = view.getUint32(rest + 4)
  } else {
    batch.src_port[row] = view.getUint32(rest)
    batch.dst_port[row] = view.getUint32(rest + 4)
  }
  batch.tcp_flags[row] = view.getUint32(rest + 8)
  batch.tos[row] = view.getUint32(rest + 12)
}

// extended_switch: src_vlan 4, src_priority 4, dst_vlan 4, dst_priority 4
function switchRecord(view: DataView, at: number, batch: FlowBatch, row: number): void {
  const source = view.getInt32(at)
  const destination = view.getInt32(at + 8)
  const service = batch.s_vlan[row] as number
  // Under QinQ the switch names the outer VLAN; the inner one is in the header only
  const inner = service === 0 ? 0 : (batch.vlan_in[row] as number)
  if (source > 0 && source < 4095 && (service === 0 || source !== service)) batch.vlan_in[row] = source
  if (destination > 0 && destination < 4095)
    batch.vlan_out[row] = service !== 0 && destination === service ? inner : destination
}

// extended_vlanin, extended_vlanout: stack<> of (TPID << 16 | TCI), outermost first: the tags with which the packet came in and leaves
function vlanIn(view: DataView, at: number, batch: FlowBatch, row: number, end: number): void {
  const inner = innermost(view, at, end)
  if (inner === 0) return
  batch.vlan_in[row] = inner
  batch.s_vlan[row] = view.getUint32(at) > 1 ? view.getUint32(at + 4) & 0xfff : 0
}

/** The VLAN of the last tag of a stack; 0 if there is none. */
function innermost(view: DataView, at: number, end: number): number {
  const tags = view.getUint32(at)
  return tags === 0 || tags > (end - at - 4) >>> 2 ? 0 : view.getUint32(at + 4 * tags) & 0xfff
}

// extended_vlantunnel: stack<> of (TPID << 16 | TCI), outermost first: tags taken off before sampling
function vlanStack(view: DataView, at: number, batch: FlowBatch, row: number): void {
  if (view.getUint32(at) === 0 || batch.s_vlan[row] !== 0) return
  batch.s_vlan[row] = view.getUint32(at + 4) & 0xfff
}

// extended_router: next hop address, src_mask 4, dst_mask 4
function routerRecord(view: DataView, start: number, end: number, batch: FlowBatch, row: number): void {
  if (nextHop(view, start, end, batch, row) === 0 || end - start < 12) return
  const at = end - 8
  batch.src_mask[row] = view.getUint32(at)
  batch.dst_mask[row] = view.getUint32(at + 4)
}

/** Where the address ends; 0 if it doesn't fit. */
function nextHop(view: DataView, at: number, end: number, batch: FlowBatch, row: number): number {
  if (end - at < 4) return 0
  const type = view.getUint32(at)
  if (type === 1 && end - at >= 8) {
    if (view.getUint32(at + 4) !== 0) v4Into(view, at + 4, batch.next_hop, row)
    return at + 8
  }
  if (type === 2 && end - at >= 20) {
    v6Into(view, at + 4, batch.next_hop, row)
    return at + 20
  }
  // Type 0 has no bytes by the specification; hsflowd writes 4 zero bytes
  if (type !== 0) return 0
  return end - at >= 20 && view.getUint32(at + 4) === 0 ? at + 8 : at + 4
}

// extended_gateway: next hop address, as 4, src_as 4, src_peer_as 4, path<> of { type 4, as<> }, communities<>, localpref 4
function gatewayRecord(view: DataView, start: number, end: number, batch: FlowBatch, row: number): void {
  let at = nextHop(view, start, end, batch, row)
  if (at === 0 || end - at < 16) return
  const own = view.getUint32(at)
  const source = view.getUint32(at + 4)
  // 0 is the router's own system: nothing learnt from a neighbour
  batch.src_as[row] = source === 0 ? own : source
  let destination = own
  let segments = view.getUint32(at + 12)
  at += 16
  while (segments > 0 && end - at >= 8) {
    const count = view.getUint32(at + 4)
    at += 8
    if (count > (end - at) >>> 2) break
    if (count > 0) destination = view.getUint32(at + 4 * (count - 1))
    at += 4 * count
    segments--
  }
  batch.dst_as[row] = destination
}

// extended_mpls: next hop address, in_stack<>, out_stack<>, each of label stack entries, top first
function mplsRecord(view: DataView, start: number, end: number, batch: FlowBatch, row: number): void {
  const at = nextHop(view, start, end, batch, row)
  if (at === 0 || end - at < 8) return
  if (view.getUint32(at) > 0) batch.mpls_label[row] = view.getUint32(at + 4) >>> 12
}

// ipv4_tunnel, ipv6_tunnel (ingress, egress): the outer header as sampled_ipv4 or sampled_ipv6
function tunnelRecord(view: DataView, at: number, version: number, batch: FlowBatch, row: number): void {
  const protocol = view.getUint32(at + 4)
  let port = 0
  if (version === 4) {
    v4Into(view, at + 8, batch.tunnel_src, row)
    v4Into(view, at + 12, batch.tunnel_dst, row)
    port = view.getUint32(at + 20)
  } else {
    v6Into(view, at + 8, batch.tunnel_src, row)
    v6Into(view, at + 24, batch.tunnel_dst, row)
    port = view.getUint32(at + 44)
  }
  batch.tunnel[row] = tunnelKind(protocol, port, version)
}

function tunnelKind(protocol: number, port: number, version: number): number {
  if (protocol === 47) return TUNNEL.gre
  if (protocol === 4) return TUNNEL.ipip
  if (protocol === 41) return version === 4 ? TUNNEL.sixInFour : TUNNEL.ipip
  if (protocol !== 17) return TUNNEL.other
  if (port === 4789 || port === 8472 || port === 4790) return TUNNEL.vxlan
  if (port === 6081) return TUNNEL.geneve
  if (port === 2152) return TUNNEL.gtp
  return port === 3544 ? TUNNEL.teredo : TUNNEL.other
}
