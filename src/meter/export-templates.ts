// The templates of the meter, for NetFlow v9 (RFC 3954 §8) and IPFIX (IANA's registry of elements). Up to 127 the numbers are the same.

export interface TemplateField {
  readonly element: number
  readonly length: number
  readonly enterprise?: number
}

const list = (...fields: readonly (readonly [element: number, length: number])[]): TemplateField[] =>
  fields.map(([element, length]) => ({ element, length }))

/** What a flow has beyond what all have: these bits, added up, are its kind, and each kind has a template. */
export const KIND = { v6: 1, qinq: 2, vni: 4, back: 8 } as const
export const KINDS = 16

/** Template of kind 0; the others follow. Behind them that of the sampling. */
export const FIRST_TEMPLATE = 256
export const SAMPLING_TEMPLATE = FIRST_TEMPLATE + KINDS

/** sourceIPv4Address, destinationIPv4Address; sourceIPv6Address, destinationIPv6Address. */
const V4 = list([8, 4], [12, 4])
const V6 = list([27, 16], [28, 16])

/** octetDeltaCount, packetDeltaCount; then the times. */
const COUNTS = list([1, 8], [2, 8])

/** FIRST_SWITCHED, LAST_SWITCHED of NetFlow v9: milliseconds of uptime. flowStartMilliseconds, flowEndMilliseconds of IPFIX. */
const TIMES = { 9: list([22, 4], [21, 4]), 10: list([152, 8], [153, 8]) } as const

/** ingressInterface, egressInterface, flowDirection, ipClassOfService, minimumTTL, maximumTTL, minimumIpTotalLength, maximumIpTotalLength. */
const SEEN = list([10, 4], [14, 4], [61, 1], [5, 1], [52, 1], [53, 1], [25, 2], [26, 2])

/** tcpControlBits. */
const FLAGS = { 9: list([6, 1]), 10: list([6, 2]) } as const

/** sourceTransportPort, destinationTransportPort, protocolIdentifier; and in IPFIX flowEndReason. */
const PORTS = { 9: list([7, 2], [11, 2], [4, 1]), 10: list([7, 2], [11, 2], [4, 1], [136, 1]) } as const

/** icmpTypeCodeIPv4, icmpTypeCodeIPv6; NetFlow v9 knows only the first. */
const ICMP_V4 = list([32, 2])
const ICMP_V6 = list([139, 2])

/** sourceMacAddress, destinationMacAddress, vlanId, mplsTopLabelStackSection. */
const LINK = list([56, 6], [80, 6], [58, 2], [70, 3])
/** dot1qVlanId, dot1qCustomerVlanId: the service tag and the customer's. */
const QINQ = list([243, 2], [245, 2])
/** layer2SegmentId: kind of encapsulation in the first byte, VNI in the last three. */
const SEGMENT = list([351, 8])

/** biflowDirection (RFC 5103 §6.3), and the private enterprise number under which the elements of the other direction stand (§6.1). */
const BIFLOW = list([239, 1])
const REVERSE = 29_305

export interface TemplateChoice {
  /** Whether MACs, VLANs and MPLS labels are told. */
  readonly link: boolean
  readonly sampled: boolean
  readonly biflow: boolean
}

/** Fields of a kind of flow, in the order in which they are written. */
export function fieldsOf(version: 9 | 10, kind: number, { link, sampled, biflow }: TemplateChoice): TemplateField[] {
  const isV6 = (kind & KIND.v6) !== 0
  const side = [...COUNTS, ...TIMES[version], ...SEEN, ...FLAGS[version]]
  return [
    ...(isV6 ? V6 : V4),
    ...side,
    ...PORTS[version],
    ...(isV6 && version === 10 ? ICMP_V6 : ICMP_V4),
    ...(link ? LINK : []),
    ...(link && (kind & KIND.qinq) !== 0 ? QINQ : []),
    ...((kind & KIND.vni) !== 0 ? SEGMENT : []),
    ...(sampled ? SAMPLER_FIELD[version] : []),
    ...(biflow ? BIFLOW : []),
    ...((kind & KIND.back) !== 0 ? side.map((field) => ({ ...field, enterprise: REVERSE })) : []),
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

/**
 * Of flows (RFC 7014): selectorId, flowSelectorAlgorithm, samplingProbability, hashOutputRangeMin and Max, hashSelectedRangeMin and Max.
 * The initialiser is not told: who knew it could have flows that are never selected.
 */
export const FLOW_SAMPLING10 = list([302, 8], [390, 2], [311, 8], [329, 8], [330, 8], [331, 8], [332, 8])
/** Hash-based filtering using BOB. */
export const HASH_BOB = 6

/** Of packets, each with the same probability: selectorId, selectorAlgorithm, samplingProbability. */
export const PROBABILITY10 = list([302, 8], [304, 2], [311, 8])
/** Uniform probabilistic (RFC 5475 §5.2.2.1). */
export const UNIFORM_PROBABILITY = 4
