import { COMMON_PROPERTIES_ID } from './netflow-common.ts'
import { compileDecoder, type Binding, type Conversion, type RecordDecoder } from '../wire/ipfix/compile.ts'
import { START } from '../packet/dissect.ts'
import { VARIABLE, type Template } from '../wire/ipfix/template.ts'

// Which element goes to which column of a flow row, and how. What can't be moved as it is (times from several elements,
// sampler lookups, the other direction of a biflow) goes to notes first; netflow-rows.ts works it out.

const VMWARE = 6876
const CERT = 6871
const CISCO = 9
const REVERSE = 29305

type Source = readonly [element: number, conversion: Conversion, enterprise?: number]

interface Rule {
  readonly column: string
  readonly into: 'row' | 'note'
  /** `first`: the first that the template has; `merge`: each that it has, a later one only where the earlier are zero; `or`: all, bits added. */
  readonly choose: 'first' | 'merge' | 'or'
  /** Leave the column alone when the value is zero. */
  readonly skipZero?: boolean
  readonly from: readonly Source[]
}

const row = (column: string, choose: Rule['choose'], ...from: Source[]): Rule => ({ column, into: 'row', choose, from })
const note = (column: string, choose: Rule['choose'], ...from: Source[]): Rule => ({
  column,
  into: 'note',
  choose,
  from,
})

const RULES: readonly Rule[] = [
  row('in_if', 'merge', [10, 'uint'], [252, 'uint']),
  row('out_if', 'merge', [14, 'uint'], [253, 'uint']),
  row('direction', 'first', [61, 'direction']),
  row('forwarding_status', 'first', [89, 'byte0']),
  // Link. Post-values stand in where an exporter has only those (softflowd sends 57 for the destination).
  row('src_mac', 'merge', [56, 'mac'], [81, 'mac']),
  row('dst_mac', 'merge', [80, 'mac'], [57, 'mac']),
  row('vlan_in', 'merge', [245, 'vlan'], [243, 'vlan'], [58, 'vlan']),
  row('vlan_out', 'merge', [255, 'vlan'], [254, 'vlan'], [59, 'vlan']),
  row('ethertype', 'first', [256, 'uint']),
  row('vni', 'merge', [351, 'low24'], [892, 'uint', VMWARE]),
  // Network
  row('tos', 'merge', [5, 'uint'], [195, 'dscp']),
  row('ttl', 'merge', [192, 'uint'], [52, 'uint']),
  row('icmp_type', 'merge', [32, 'byte1'], [139, 'byte1'], [176, 'uint'], [178, 'uint']),
  row('icmp_code', 'merge', [32, 'byte0'], [139, 'byte0'], [177, 'uint'], [179, 'uint']),
  row('tcp_flags', 'or', [6, 'uint'], [14, 'uint', CERT], [15, 'uint', CERT]),
  {
    column: 'next_hop',
    into: 'row',
    choose: 'merge',
    skipZero: true,
    from: [
      [62, 'ipv6'],
      [15, 'ipv4'],
      [63, 'ipv6'],
      [18, 'ipv4'],
    ],
  },
  row('src_as', 'first', [16, 'uint']),
  row('dst_as', 'first', [17, 'uint']),
  row('src_mask', 'merge', [29, 'uint'], [9, 'uint']),
  row('dst_mask', 'merge', [30, 'uint'], [13, 'uint']),
  row('mpls_label', 'first', [70, 'label']),
  // How much: a difference before a total, IP before layer 2, and never two added up or one for the other record by record.
  row('bytes', 'first', [1, 'u64'], [231, 'u64'], [23, 'u64'], [352, 'u64'], [85, 'u64'], [171, 'u64'], [353, 'u64']),
  row('packets', 'first', [2, 'u64'], [298, 'u64'], [24, 'u64'], [86, 'u64'], [172, 'u64']),
]

/** Client and server of Cisco's application visibility: elements of its own enterprise, in v9 with 32768 added. */
function avc(...sources: readonly (readonly [element: number, conversion: Conversion])[]): Source[] {
  return sources.flatMap(([element, conversion]): Source[] => [
    [element, conversion, CISCO],
    [element + 32_768, conversion],
  ])
}

const PLAIN: readonly Rule[] = [
  row(
    'src_addr',
    'merge',
    [27, 'ipv6'],
    [8, 'ipv4'],
    [170, 'ipv6'],
    [44, 'ipv4'],
    ...avc([12236, 'ipv4'], [12238, 'ipv6']),
  ),
  row(
    'dst_addr',
    'merge',
    [28, 'ipv6'],
    [12, 'ipv4'],
    [169, 'ipv6'],
    [45, 'ipv4'],
    ...avc([12237, 'ipv4'], [12239, 'ipv6']),
  ),
  row('tunnel_src', 'first', [893, 'ipv4', VMWARE]),
  row('tunnel_dst', 'first', [894, 'ipv4', VMWARE]),
  row('proto', 'first', [4, 'uint']),
  row('src_port', 'merge', [7, 'uint'], [180, 'uint'], [182, 'uint'], ...avc([12240, 'uint'])),
  row('dst_port', 'merge', [11, 'uint'], [181, 'uint'], [183, 'uint'], ...avc([12241, 'uint'])),
]

// A virtual distributed switch tells of the outer packet in the usual elements and of the tenant's in its own.
const TENANT: readonly Rule[] = [
  row('src_addr', 'merge', [883, 'ipv6', VMWARE], [881, 'ipv4', VMWARE]),
  row('dst_addr', 'merge', [884, 'ipv6', VMWARE], [882, 'ipv4', VMWARE]),
  row('tunnel_src', 'merge', [27, 'ipv6'], [8, 'ipv4']),
  row('tunnel_dst', 'merge', [28, 'ipv6'], [12, 'ipv4']),
  row('proto', 'first', [880, 'uint', VMWARE]),
  row('src_port', 'first', [886, 'uint', VMWARE]),
  row('dst_port', 'first', [887, 'uint', VMWARE]),
]

const NOTES: readonly Rule[] = [
  note('sampler', 'merge', [48, 'uint'], [302, 'uint']),
  note('interval', 'merge', [50, 'uint'], [34, 'uint'], [305, 'uint']),
  note('space', 'first', [306, 'uint']),
  note('size', 'first', [309, 'uint']),
  note('population', 'first', [310, 'uint']),
  note('probability', 'first', [311, 'float']),
  note('customer_vlan', 'first', [245, 'vlan']),
  note('segment_type', 'first', [351, 'top']),
  note('tunnel_type', 'first', [891, 'uint', VMWARE]),
  note('boot', 'first', [160, 'millis']),
  note('section_size', 'first', [312, 'uint'], [410, 'uint'], [103, 'uint']),
  note(
    'reverse_bytes',
    'first',
    [1, 'u64', REVERSE],
    [232, 'u64'],
    [23, 'u64', REVERSE],
    [352, 'u64', REVERSE],
    [85, 'u64', REVERSE],
  ),
  note('reverse_packets', 'first', [2, 'u64', REVERSE], [299, 'u64'], [24, 'u64', REVERSE], [86, 'u64', REVERSE]),
  note('reverse_flags', 'or', [6, 'uint', REVERSE], [14 | 0x4000, 'uint', CERT], [15 | 0x4000, 'uint', CERT]),
  note('reverse_tos', 'first', [5, 'uint', REVERSE]),
  note('reverse_in', 'first', [10, 'uint', REVERSE]),
  note('reverse_out', 'first', [14, 'uint', REVERSE]),
  note('reverse_direction', 'first', [61, 'direction', REVERSE]),
  note('reverse_vlan', 'merge', [243, 'vlan', REVERSE], [58, 'vlan', REVERSE]),
]

// Routers that tell of a tunnelled packet repeat the elements: first those of the outer headers, then of the inner (RFC 7011 §8: in the order observed).
const NESTED_SOURCES: readonly Source[] = [
  [8, 'ipv4'],
  [27, 'ipv6'],
]
const NESTED_DESTINATIONS: readonly Source[] = [
  [12, 'ipv4'],
  [28, 'ipv6'],
]
const NESTED: readonly (readonly [column: string, element: number])[] = [
  ['proto', 4],
  ['src_port', 7],
  ['dst_port', 11],
  ['tcp_flags', 6],
  ['tos', 5],
  ['ttl', 192],
]

const QINQ: Rule = row('s_vlan', 'first', [243, 'vlan'], [58, 'vlan'])

/** Elements that tell when a flow started and ended, best first, and how they do. */
const START_TIMES: readonly TimeSource[] = [
  [152, 'millis'],
  [154, 'ntpMicros'],
  [156, 'ntpNanos'],
  [150, 'seconds'],
  [22, 'uptime'],
  [158, 'delta'],
  [323, 'millis'],
  [324, 'ntpMicros'],
  [325, 'ntpNanos'],
  [322, 'seconds'],
]
const END_TIMES: readonly TimeSource[] = [
  [153, 'millis'],
  [155, 'ntpMicros'],
  [157, 'ntpNanos'],
  [151, 'seconds'],
  [21, 'uptime'],
  [159, 'delta'],
  [323, 'millis'],
  [324, 'ntpMicros'],
  [325, 'ntpNanos'],
  [322, 'seconds'],
]

type TimeSource = readonly [element: number, how: 'seconds' | 'millis' | 'ntpMicros' | 'ntpNanos' | 'uptime' | 'delta']

/** How a time gets into its column: written by the decoder itself; from a note in milliseconds since 1970, of uptime, or of microseconds before export. */
export type TimeKind = 'none' | 'direct' | 'absolute' | 'uptime' | 'delta'

/** Everything that turns the records of one template into rows. */
export interface FlowPlan {
  readonly decode: RecordDecoder
  readonly start: TimeKind
  readonly end: TimeKind
  readonly duration: 'none' | 'millis' | 'micros'
  /** `boot` notes (systemInitTimeMilliseconds) stand in the record itself. */
  readonly boot: boolean
  readonly sampler: boolean
  /** The record names what it has in common with others (RFC 5473). */
  readonly common: boolean
  /** The record carries its own sampling: interval (and space), size of population, probability. */
  readonly rate: 'none' | 'interval' | 'space' | 'population' | 'probability'
  readonly biflow: boolean
  readonly reverseVlan: boolean
  readonly reverseInterfaces: boolean
  readonly reverseDirection: boolean
  readonly tenant: boolean
  readonly qinq: boolean
  /** Fields of outer and inner headers both; the protocol of the outer is a note. */
  readonly nested: boolean
  readonly segment: boolean
  readonly tunnelType: boolean
  readonly tunnelKey: boolean
  /** ICMP type and code, where no element has them, are in the destination port as routers put them. */
  readonly icmpInPort: boolean
  /** The record holds the start of a packet (PSAMP, RFC 5477): what it starts with, as the dissector counts it; 0 if not, -1 for IPv4 or IPv6. */
  readonly section: number
  /** How the size of that packet is known: as a note, or else from its own header. */
  readonly sectionSize: boolean
  readonly bytes: boolean
  readonly packets: boolean
  /** Names of the interfaces stand in the record itself: the first of the one it came in by, the second of the one it left by. */
  readonly names: 0 | 1 | 2
  /** The protocol if no element says it, but the elements are of one protocol: ICMP, ICMPv6; else 0. */
  readonly impliedProto: number
  /** EtherType if no element says it: of the addresses that the template has; 1 for both families. */
  readonly impliedEthertype: number
}

/** Works out how the records of a template become rows, and compiles their decoder. */
export function planFlow(template: Template): FlowPlan {
  const fields = new Map<number, number>()
  for (let i = template.elements.length - 1; i >= 0; i--) {
    // Of an element that stands twice in a template, the first is the one observed first (RFC 7011 §8).
    if (template.lengths[i] !== 0) fields.set(key(template.elements[i] as number, template.enterprises[i] as number), i)
  }
  const has = (element: number, enterprise = 0): boolean => fields.has(key(element, enterprise))
  const tenant = (has(881, VMWARE) || has(883, VMWARE)) && (has(882, VMWARE) || has(884, VMWARE))
  const qinq = has(245)
  const bindings: Binding[] = []
  for (const rule of [...RULES, ...(tenant ? TENANT : PLAIN), ...NOTES, ...(qinq ? [QINQ] : [])])
    bind(rule, fields, bindings)
  const nested = !tenant && bindNested(template, bindings)
  const plainAddresses = bindings.some((b) => b.column === 'src_addr')
  const section = has(315) || has(104) ? START.ethernet : has(313) ? IP_SECTION : 0
  if (section !== 0) bind(note('section', 'first', [315, 'span'], [104, 'span'], [313, 'span']), fields, bindings)
  const names = bindNames(template, bindings)
  const start = bindTime('start', START_TIMES, template, fields, bindings)
  const end = bindTime('end', END_TIMES, template, fields, bindings)
  const duration = has(161) ? 'millis' : has(162) ? 'micros' : 'none'
  if (duration !== 'none') bind(note('duration', 'first', [161, 'uint'], [162, 'uint']), fields, bindings)
  const v4 = bindings.some(({ column, conversion }) => column === 'src_addr' && conversion === 'ipv4')
  const v6 = bindings.some(({ column, conversion }) => column === 'src_addr' && conversion === 'ipv6')
  const icmp4 = has(32) || has(176)
  const icmp6 = has(139) || has(178)
  const proto = tenant ? has(880, VMWARE) : has(4)
  return {
    decode: compileDecoder(template, bindings),
    start,
    end,
    duration,
    boot: has(160),
    sampler: has(48) || has(302),
    common: has(COMMON_PROPERTIES_ID),
    rate: has(311)
      ? 'probability'
      : has(309) && has(310)
        ? 'population'
        : has(305) && has(306)
          ? 'space'
          : has(34) || has(50) || has(305)
            ? 'interval'
            : 'none',
    biflow: bindings.some((b) => b.column === 'reverse_bytes' || b.column === 'reverse_packets'),
    reverseVlan: bindings.some((b) => b.column === 'reverse_vlan'),
    reverseInterfaces: has(10, REVERSE) || has(14, REVERSE),
    reverseDirection: has(61, REVERSE),
    tenant,
    qinq,
    nested,
    segment: bindings.some((b) => b.column === 'segment_type'),
    tunnelType: has(891, VMWARE),
    tunnelKey: has(351) || has(892, VMWARE),
    icmpInPort: proto && has(11) && !icmp4 && !icmp6 && !tenant,
    section: plainAddresses ? 0 : section,
    sectionSize: has(312) || has(410) || has(103),
    bytes: bindings.some((b) => b.column === 'bytes'),
    packets: bindings.some((b) => b.column === 'packets'),
    names,
    impliedProto: proto ? 0 : icmp4 && !icmp6 ? 1 : icmp6 && !icmp4 ? 58 : 0,
    impliedEthertype: has(256) ? 0 : v4 && v6 ? 1 : v4 ? 0x0800 : v6 ? 0x86dd : 0,
  }
}

function key(element: number, enterprise: number): number {
  return enterprise * 65536 + element
}

function bind(rule: Rule, fields: ReadonlyMap<number, number>, bindings: Binding[]): void {
  const present = rule.from.filter(([element, , enterprise]) => fields.has(key(element, enterprise ?? 0)))
  const chosen = rule.choose === 'first' ? present.slice(0, 1) : present.toReversed()
  for (const [n, [element, conversion, enterprise]] of chosen.entries()) {
    const first = n === 0 && rule.skipZero !== true
    bindings.push({
      field: fields.get(key(element, enterprise ?? 0)) as number,
      into: rule.into,
      column: rule.column,
      conversion,
      mode: first ? 'set' : rule.choose === 'or' ? 'or' : 'nonzero',
    })
  }
}

/** The section starts with an IP header of either version. */
export const IP_SECTION = -1

/** Binds interfaceName where it follows the interface that it is of (Open vSwitch, softflowd). */
function bindNames(template: Template, bindings: Binding[]): 0 | 1 | 2 {
  if (!template.elements.includes(10)) return 0
  let found: 0 | 1 | 2 = 0
  for (const [field, element] of template.elements.entries()) {
    if (element !== 82 || template.enterprises[field] !== 0 || found === 2) continue
    bindings.push({
      field,
      into: 'note',
      column: found === 0 ? 'in_name' : 'out_name',
      conversion: 'span',
      mode: 'set',
    })
    found = found === 0 ? 1 : 2
  }
  return found
}

/** Binds the inner headers of a template that has two of each; where they are zero, the outer ones that are bound already stay. */
function bindNested(template: Template, bindings: Binding[]): boolean {
  const places = (element: number): number[] => {
    const found: number[] = []
    for (const [i, other] of template.elements.entries())
      if (other === element && template.enterprises[i] === 0 && i >= template.scopes) found.push(i)
    return found
  }
  const protocols = places(4)
  const ends = [NESTED_SOURCES, NESTED_DESTINATIONS].map((sources) =>
    sources
      .flatMap(([element, conversion]) => places(element).map((field) => ({ field, conversion })))
      .toSorted((a, b) => a.field - b.field),
  )
  const [sources, destinations] = ends as [(typeof ends)[number], (typeof ends)[number]]
  if (protocols.length < 2 || sources.length < 2 || destinations.length < 2) return false
  for (const [which, list] of [
    ['src', sources],
    ['dst', destinations],
  ] as const) {
    const outer = list[0] as (typeof list)[number]
    const inner = list.at(-1) as (typeof list)[number]
    const plain = bindings.findIndex((binding) => binding.column === `${which}_addr`)
    while (bindings[plain]?.column === `${which}_addr`) bindings.splice(plain, 1)
    bindings.push(
      { ...outer, into: 'row', column: `tunnel_${which}`, mode: 'set' },
      { ...outer, into: 'row', column: `${which}_addr`, mode: 'set' },
      { ...inner, into: 'row', column: `${which}_addr`, mode: 'nonzero' },
    )
  }
  bindings.push({ field: protocols[0] as number, into: 'note', column: 'outer_proto', conversion: 'uint', mode: 'set' })
  for (const [column, element] of NESTED) {
    const inner = places(element)
    if (inner.length > 1)
      bindings.push({ field: inner.at(-1) as number, into: 'row', column, conversion: 'uint', mode: 'nonzero' })
  }
  return true
}

function bindTime(
  which: 'start' | 'end',
  sources: readonly TimeSource[],
  template: Template,
  fields: ReadonlyMap<number, number>,
  bindings: Binding[],
): TimeKind {
  for (const [element, how] of sources) {
    const field = fields.get(key(element, 0))
    if (field === undefined) continue
    const to = { field, mode: 'set' as const }
    if (how === 'millis' && template.lengths[field] !== VARIABLE) {
      bindings.push({ ...to, into: 'row', column: `time_${which}`, conversion: 'u64' })
      return 'direct'
    }
    if (how === 'uptime' || how === 'delta') {
      bindings.push({ ...to, into: 'note', column: `${which}_ticks`, conversion: 'uint' })
      return how
    }
    bindings.push({ ...to, into: 'note', column: which, conversion: how })
    return 'absolute'
  }
  return 'none'
}

/** An element and what it fills: a column, or a note that is worked out further (`into`). */
export interface BoundElement {
  readonly enterprise: number
  readonly element: number
  readonly into: Rule['into']
  readonly column: string
}

/** Every element that says something about a row, for the reference page. */
export function boundElements(): BoundElement[] {
  const times = (column: string, sources: readonly TimeSource[]): BoundElement[] =>
    sources.map(([element]) => ({ enterprise: 0, element, into: 'row', column }))
  const rules = [...RULES, ...PLAIN, ...TENANT, ...NOTES, QINQ].flatMap(({ column, into, from }) =>
    from.map(([element, , enterprise = 0]): BoundElement => ({ enterprise, element, into, column })),
  )
  return [...rules, ...times('time_start', START_TIMES), ...times('time_end', END_TIMES)]
}
