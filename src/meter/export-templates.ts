// The templates of the meter, for NetFlow v9 (RFC 3954 §8) and IPFIX (IANA's registry of elements). Up to 127 the numbers are the same.

export interface TemplateField {
  readonly element: number
  readonly length: number
}

const list = (...fields: readonly (readonly [element: number, length: number])[]): TemplateField[] =>
  fields.map(([element, length]) => ({ element, length }))

/** What a flow has beyond what all have: these bits, added up, are its kind, and each kind has a template. */
export const KIND = { v6: 1, qinq: 2, vni: 4 } as const
export const KINDS = 8

/** Template of kind 0; the others follow. Behind them that of the sampling. */
export const FIRST_TEMPLATE = 256
export const SAMPLING_TEMPLATE = FIRST_TEMPLATE + KINDS

/** sourceIPv4Address, destinationIPv4Address; sourceIPv6Address, destinationIPv6Address. */
const V4 = list([8, 4], [12, 4])
const V6 = list([27, 16], [28, 16])

/** octetDeltaCount, packetDeltaCount, first and last as the protocol tells time (below), sourceTransportPort, destinationTransportPort, ingressInterface, egressInterface, flowDirection. */
const COUNTS = list([1, 8], [2, 8])
const PORTS = list([7, 2], [11, 2], [10, 4], [14, 4], [61, 1])

/** FIRST_SWITCHED, LAST_SWITCHED of NetFlow v9: milliseconds of uptime. flowStartMilliseconds, flowEndMilliseconds of IPFIX. */
const TIMES = { 9: list([22, 4], [21, 4]), 10: list([152, 8], [153, 8]) } as const

/** protocolIdentifier, ipClassOfService, minimumTTL, maximumTTL, minimumIpTotalLength, maximumIpTotalLength. */
const NETWORK = list([4, 1], [5, 1], [52, 1], [53, 1], [25, 2], [26, 2])

/** tcpControlBits, and in IPFIX flowEndReason. */
const FLAGS = { 9: list([6, 1]), 10: list([6, 2], [136, 1]) } as const

/** icmpTypeCodeIPv4, icmpTypeCodeIPv6; NetFlow v9 knows only the first. */
const ICMP_V4 = list([32, 2])
const ICMP_V6 = list([139, 2])

/** sourceMacAddress, destinationMacAddress, vlanId, mplsTopLabelStackSection. */
const LINK = list([56, 6], [80, 6], [58, 2], [70, 3])
/** dot1qVlanId, dot1qCustomerVlanId: the service tag and the customer's. */
const QINQ = list([243, 2], [245, 2])
/** layer2SegmentId: kind of encapsulation in the first byte, VNI in the last three. */
const SEGMENT = list([351, 8])

/** Fields of a kind of flow, in the order in which they are written. */
export function fieldsOf(version: 9 | 10, kind: number, link: boolean, sampled: boolean): TemplateField[] {
  const isV6 = (kind & KIND.v6) !== 0
  return [
    ...(isV6 ? V6 : V4),
    ...COUNTS,
    ...TIMES[version],
    ...PORTS,
    ...NETWORK,
    ...FLAGS[version],
    ...(isV6 && version === 10 ? ICMP_V6 : ICMP_V4),
    ...(link ? LINK : []),
    ...(link && (kind & KIND.qinq) !== 0 ? QINQ : []),
    ...((kind & KIND.vni) !== 0 ? SEGMENT : []),
    ...(sampled ? SAMPLER_FIELD[version] : []),
  ]
}

/** The one sampler: FLOW_SAMPLER_ID of NetFlow v9, selectorId of IPFIX, in each record of a sampled flow. */
export const SAMPLER = 1
export const SAMPLER_FIELD = { 9: list([48, 1]), 10: list([302, 8]) } as const

/** FLOW_SAMPLER_ID, FLOW_SAMPLER_MODE, FLOW_SAMPLER_RANDOM_INTERVAL. */
export const SAMPLING9 = list([48, 1], [49, 1], [50, 4])
export const RANDOM9 = 2
/**
 * selectorId, selectorAlgorithm, samplingSize, samplingPopulation (RFC 5477 §8.2); and samplingPacketInterval and
 * samplingPacketSpace, which older readers look for.
 */
export const SAMPLING10 = list([302, 8], [304, 2], [309, 4], [310, 4], [305, 4], [306, 4])
/** Random n-out-of-N (RFC 5475 §5.2.1). */
export const RANDOM_N_OF_N = 3
