/** Why a flow ended (IPFIX flowEndReason, element 136). */
export const END = { idle: 1, active: 2, detected: 3, forced: 4, lackOfResources: 5 } as const

/** Seconds; 0 never ends a flow for this reason. */
export interface FlowTimeouts {
  /** A flow that lasts longer is reported in pieces of this. */
  readonly active: number
  readonly tcp: number
  readonly tcpFin: number
  readonly tcpRst: number
  readonly udp: number
  readonly icmp: number
  readonly general: number
}

/** The same in milliseconds; Infinity never ends a flow. */
export interface FlowLimits {
  readonly active: number
  /** By state and protocol: 256 of open flows, then one each of TCP after FIN and after RST. */
  readonly idle: Float64Array
  /** No open flow ends sooner than this. */
  readonly leastIdle: number
}

export function limitsOf(timeouts: FlowTimeouts): FlowLimits {
  const never = (seconds: number): number => (seconds > 0 ? seconds * 1000 : Infinity)
  const idle = new Float64Array(258).fill(never(timeouts.general))
  idle[6] = never(timeouts.tcp)
  idle[17] = never(timeouts.udp)
  idle[1] = never(timeouts.icmp)
  idle[58] = never(timeouts.icmp)
  const leastIdle = idle.reduce((least, each) => Math.min(least, each))
  idle[256] = never(timeouts.tcpFin)
  idle[257] = never(timeouts.tcpRst)
  return { active: never(timeouts.active), idle, leastIdle }
}
