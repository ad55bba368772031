import type { FlowBatch } from '../flow/flow-batch.ts'
import type { Notes } from './netflow-context.ts'
import type { FlowPlan } from './netflow-plan.ts'

// Tunnels as exporters tell of them: a segment, a tunnel type, a tenant of a virtual distributed switch, or headers inside headers.

/** Writes the kind of tunnel whose inner packet a row is about. */
export function writeTunnels(batch: FlowBatch, first: number, count: number, plan: FlowPlan, notes: Notes): void {
  for (let i = 0, r = first; i < count; i++, r++) {
    let kind = 0
    if (plan.tunnelType) kind = TUNNEL_OF_TYPE[notes.tunnel_type[i] as number] ?? TUNNEL_OTHER
    if (kind === 0 && plan.segment) kind = TUNNEL_OF_SEGMENT[notes.segment_type[i] as number] ?? 0
    if (kind === 0 && plan.tenant) kind = TUNNEL_VXLAN
    if (plan.nested)
      kind = innerDiffers(batch, r)
        ? (TUNNEL_OF_PROTO.get(notes.outer_proto[i] as number) ?? TUNNEL_OTHER)
        : noTunnel(batch, r)
    if (kind === 0 && batch.vni[r] !== 0 && !plan.segment) kind = TUNNEL_OTHER
    batch.tunnel[r] = kind
  }
}

const TUNNEL_VXLAN = 1
const TUNNEL_OTHER = 10
/** By the protocol number of the outer IP header: IPv4 (and IPv6 in IPv6), GRE, ESP and the like are other. */
const TUNNEL_OF_PROTO: ReadonlyMap<number, number> = new Map([
  [4, 6],
  [41, 7],
  [47, 3],
])

/** True if the row's packet is not the outer one itself. */
function innerDiffers(batch: FlowBatch, r: number): boolean {
  for (let k = 4 * r; k < 4 * r + 4; k++) {
    if (batch.src_addr[k] !== batch.tunnel_src[k] || batch.dst_addr[k] !== batch.tunnel_dst[k]) return true
  }
  return false
}

function noTunnel(batch: FlowBatch, r: number): 0 {
  batch.tunnel_src.fill(0, 4 * r, 4 * r + 4)
  batch.tunnel_dst.fill(0, 4 * r, 4 * r + 4)
  return 0
}

/** layer2SegmentId (351): 1 VXLAN, 2 NVGRE. */
const TUNNEL_OF_SEGMENT: readonly (number | undefined)[] = [0, 1, 4]
/** tunnelType of Open vSwitch and KVM hosts: 1 VXLAN, 2 GRE, 3 LISP, 4 STT, 7 Geneve. */
const TUNNEL_OF_TYPE: readonly (number | undefined)[] = [0, 1, 3, 10, 10, 10, 10, 2]
