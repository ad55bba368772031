// Names that stand for numbers in filters and answers.

/** IANA protocol numbers that have a name in filters; the first name of a number is the one shown. */
const PROTOCOL_NAMES: readonly (readonly [number, ...string[]])[] = [
  // Frames without IP, such as ARP, have no protocol; hop-by-hop options are looked through.
  [0, 'none', 'hopopt'],
  [1, 'icmp'],
  [2, 'igmp'],
  [3, 'ggp'],
  [4, 'ipip'],
  [6, 'tcp'],
  [8, 'egp'],
  [9, 'igp'],
  [17, 'udp'],
  [27, 'rdp'],
  [33, 'dccp'],
  [41, '6in4'],
  [43, 'ipv6-route'],
  [44, 'ipv6-frag'],
  [46, 'rsvp'],
  [47, 'gre'],
  [50, 'esp'],
  [51, 'ah'],
  [58, 'icmp6', 'ipv6-icmp', 'icmpv6'],
  [59, 'ipv6-nonxt'],
  [60, 'ipv6-opts'],
  [88, 'eigrp'],
  [89, 'ospf'],
  [94, 'ipip-old'],
  [97, 'etherip'],
  [103, 'pim'],
  [108, 'ipcomp'],
  [112, 'vrrp', 'carp'],
  [115, 'l2tp'],
  [132, 'sctp'],
  [136, 'udplite'],
  [137, 'mpls-in-ip'],
]
const protocolByName = new Map(
  PROTOCOL_NAMES.flatMap(([number, ...names]) => names.map((name) => [name, number] as const)),
)
const protocolByNumber = new Map(PROTOCOL_NAMES.map(([number, name]) => [number, name as string]))

export const PROTOCOL_WORDS: readonly string[] = [...protocolByName.keys()]

export function protocolNumber(name: string): number | undefined {
  return protocolByName.get(name.toLowerCase())
}

/** `tcp`, or the number as text where there is no name. */
export function protocolText(number: number): string {
  return protocolByNumber.get(number) ?? String(number)
}

/** TCP flags by their letters (RFC 9293 §3.1), low bit first: FIN SYN RST PSH ACK URG ECE CWR. */
const FLAG_LETTERS = 'FSRPAUEC'

/** `SA` → 0x12; `X` is all six of the classic flags. Undefined if a letter is none of them. */
export function flagBits(letters: string): number | undefined {
  let bits = 0
  for (const letter of letters.toUpperCase()) {
    const bit = FLAG_LETTERS.indexOf(letter)
    if (letter === 'X') bits |= 0x3f
    else if (bit < 0) return undefined
    else bits |= 1 << bit
  }
  return letters === '' ? undefined : bits
}

/** 0x12 → `SA`; 0 → `0`; bits above the eight flags add the number in hexadecimal instead. */
export function flagText(bits: number): string {
  if (bits > 0xff) return `0x${bits.toString(16)}`
  let letters = ''
  for (let bit = 0; bit < 8; bit++) if (bits & (1 << bit)) letters += FLAG_LETTERS[bit]
  return letters === '' ? '0' : letters
}

const ETHERTYPES: Readonly<Record<string, number>> = {
  ipv4: 0x0800,
  arp: 0x0806,
  ipv6: 0x86dd,
  mpls: 0x8847,
  pppoe: 0x8864,
  lacp: 0x8809,
  eapol: 0x888e,
  lldp: 0x88cc,
  fcoe: 0x8906,
  roce: 0x8915,
  ptp: 0x88f7,
}
const ethertypeByNumber = new Map(Object.entries(ETHERTYPES).map(([name, number]) => [number, name]))

export const ETHERTYPE_WORDS: readonly string[] = Object.keys(ETHERTYPES)

export function ethertypeNumber(name: string): number | undefined {
  return Object.hasOwn(ETHERTYPES, name.toLowerCase()) ? ETHERTYPES[name.toLowerCase()] : undefined
}

export function ethertypeText(number: number): string {
  return ethertypeByNumber.get(number) ?? `0x${number.toString(16).padStart(4, '0')}`
}

/** Protocol that carries each kind of tunnel; kinds that are not here are of none that is known. */
export const TUNNEL_PROTOCOLS: Readonly<Record<string, number>> = {
  vxlan: 17,
  geneve: 17,
  teredo: 17,
  gtp: 17,
  gre: 47,
  nvgre: 47,
  erspan: 47,
  ipip: 4,
  '6in4': 41,
}

/** nfdump's names of forwardingStatus (IANA element 89; RFC 7270 §4.12), which it keeps by numbers of its own. */
export const FORWARDING: Readonly<Record<string, number>> = {
  ukwn: 0,
  forw: 64,
  frag: 65,
  drop: 128,
  dacld: 129,
  daclp: 130,
  noroute: 131,
  dadj: 132,
  dfrag: 133,
  dbadh: 134,
  dbadtlen: 135,
  dbadhlen: 136,
  dbadttl: 137,
  dpolicy: 138,
  dwred: 139,
  drpf: 140,
  dforus: 141,
  dbadof: 142,
  dhw: 143,
  term: 192,
  tadj: 193,
  tincadj: 194,
  tforus: 195,
}
