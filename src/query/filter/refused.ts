// Words of nfdump that ask for what a row doesn't hold. They are known so that the answer can say why, not only that a word
// is unknown.

export interface Refused {
  readonly words: readonly string[]
  /** What is wrong, to stand behind the word: `“geo”: …`. */
  readonly reason: string
  readonly hint?: string
}

const NAT = 'addresses and ports that a NAT put in are not recorded'
const NSEL = 'events of firewalls (NSEL, NEL) are not recorded'
const LATENCY = 'latency is not recorded'
const VRF = 'the VRF is not recorded'
const LABELS = 'only the top label of an MPLS stack is recorded'
const LABEL_HINT = 'ask for it by “mpls 3001”'
const OTHER_WAY = 'the two directions of a connection are rows of their own'
const OTHER_HINT = 'ask for the other one by swapping src and dst'

const GIVEN: readonly (readonly [phrases: string, reason: string, hint?: string])[] = [
  ['payload', 'payload is not recorded'],
  ['ja3|ja4|ja4s|nbar', 'what was seen inside the payload is not recorded'],
  ['nat|xlate|pblock|nip|nport|nnet|xip|xport|xnet', NAT],
  ['asa|xevent|ingress acl|egress acl|ingress ace|egress ace|ingress xace|egress xace|acl', NSEL],
  ['client latency|server latency|app latency|latency', LATENCY],
  ['client|server', 'which end is the client is not recorded', 'ask by “src” or “dst”'],
  ['ingress vrf|egress vrf|vrf', VRF],
  ['pf', 'what a packet filter (pflog) decided is not recorded'],
  ['ident', 'rows have no ident, which names a file of nfdump', 'ask by “exporter 192.0.2.1”'],
  ['count|cnt', 'rows have no running number, since there are no files to count in'],
  ['flows', 'each row is one flow', 'count flows by “-s …/flows”'],
  ['engine-type|engine type', 'the type of a NetFlow engine is not recorded'],
  ['exporter id|exporter sysid|sysid', 'exporters have no number as in nfdump’s files', 'ask by “exporter 192.0.2.1”'],
  ['observation point id|observation point', 'the observation point is not recorded', 'observation domain id is'],
  ['prev as|next as', 'only the source’s and the destination’s AS are recorded', 'ask by “src as” or “dst as”'],
  ['prev', 'nothing of the router before is recorded'],
  [
    'bgp next ip|bgp next|bgpnext ip|bgpnext|bgp',
    'only the next hop itself is recorded, not BGP’s',
    'ask by “next ip 192.0.2.1”',
  ],
  ['out packets', `packets of the other direction: ${OTHER_WAY}`, OTHER_HINT],
  ['out bytes', `bytes of the other direction: ${OTHER_WAY}`, OTHER_HINT],
  ['max ttl|ttl equal', 'one TTL a row is recorded, the least where an exporter tells both', 'ask by “ttl 64”'],
  ['dst tos', 'the ToS after the router is not recorded', 'ask by “tos 184”'],
  ['flowlabel|flow label', 'the IPv6 flow label is not recorded'],
  [`mpls eos|mpls any|${[2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => `mpls label${n}`).join('|')}`, LABELS, LABEL_HINT],
  [`mpls exp|${[1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((n) => `mpls exp${n}`).join('|')}`, LABELS, LABEL_HINT],
]

/** The longest first, so that `client latency` is found before `client`. */
export const REFUSED: readonly Refused[] = GIVEN.flatMap(([phrases, reason, hint]) =>
  phrases.split('|').map((phrase): Refused => ({
    words: phrase.split(' '),
    reason,
    ...(hint === undefined ? {} : { hint }),
  })),
).sort((a, b) => b.words.length - a.words.length)
