import type { IpfixTemplate } from '../wire/ipfix/encode.ts'
import { SCOPE, type Netflow9Template } from '../wire/netflow9/encode.ts'

// The templates of the simulated NetFlow v9 and IPFIX switches: flows with MACs and VLANs, and the sampling in options.

const fields9 = (...list: readonly (readonly [type: number, length: number])[]): { type: number; length: number }[] =>
  list.map(([type, length]) => ({ type, length }))

// IN_BYTES, IN_PKTS, FIRST_SWITCHED, LAST_SWITCHED, L4_SRC_PORT, L4_DST_PORT, INPUT_SNMP, OUTPUT_SNMP, SRC_VLAN, DST_VLAN,
// IN_SRC_MAC, IN_DST_MAC, PROTOCOL, SRC_TOS, TCP_FLAGS, DIRECTION, FLOW_SAMPLER_ID (RFC 3954 §8)
const FLOW9 = fields9(
  [1, 8],
  [2, 8],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
  [10, 4],
  [14, 4],
  [58, 2],
  [59, 2],
  [56, 6],
  [80, 6],
  [4, 1],
  [5, 1],
  [6, 1],
  [61, 1],
  [48, 1],
)
export const NETFLOW9_IPV4: Netflow9Template = { id: 260, fields: [...fields9([8, 4], [12, 4]), ...FLOW9] }
export const NETFLOW9_IPV6: Netflow9Template = { id: 261, fields: [...fields9([27, 16], [28, 16]), ...FLOW9] }
/** By system: FLOW_SAMPLER_ID, FLOW_SAMPLER_MODE, FLOW_SAMPLER_RANDOM_INTERVAL. */
export const NETFLOW9_SAMPLING: Netflow9Template = {
  id: 262,
  scope: fields9([SCOPE.system, 4]),
  fields: fields9([48, 1], [49, 1], [50, 4]),
}
/** FLOW_SAMPLER_MODE. */
export const RANDOM_SAMPLING = 2
/** The one sampler that flows name. */
export const SAMPLER_ID = 1

const fields10 = (
  ...list: readonly (readonly [element: number, length: number])[]
): { element: number; length: number }[] => list.map(([element, length]) => ({ element, length }))

// octetDeltaCount, packetDeltaCount, flowStartMilliseconds, flowEndMilliseconds, sourceTransportPort, destinationTransportPort,
// ingressInterface, egressInterface, vlanId, postVlanId, sourceMacAddress, destinationMacAddress, protocolIdentifier,
// ipClassOfService, tcpControlBits, ipTTL, flowDirection, flowEndReason, selectorId (IANA IPFIX elements)
const FLOW10 = fields10(
  [1, 8],
  [2, 8],
  [152, 8],
  [153, 8],
  [7, 2],
  [11, 2],
  [10, 4],
  [14, 4],
  [58, 2],
  [59, 2],
  [56, 6],
  [80, 6],
  [4, 1],
  [5, 1],
  [6, 2],
  [192, 1],
  [61, 1],
  [136, 1],
  [302, 8],
)
export const IPFIX_IPV4: IpfixTemplate = { id: 256, fields: [...fields10([8, 4], [12, 4]), ...FLOW10] }
export const IPFIX_IPV6: IpfixTemplate = { id: 257, fields: [...fields10([27, 16], [28, 16]), ...FLOW10] }
/** By observationDomainId: selectorId, selectorAlgorithm, samplingPacketInterval, samplingPacketSpace (RFC 5477 §8.2). */
export const IPFIX_SAMPLING: IpfixTemplate = {
  id: 258,
  scope: fields10([149, 4]),
  fields: fields10([302, 8], [304, 2], [305, 4], [306, 4]),
}
/** selectorAlgorithm: systematic count-based, whose parameters are interval and space. */
export const COUNT_BASED = 1
