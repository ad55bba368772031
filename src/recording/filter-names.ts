import { isIPv6 } from 'node:net'
import type { FilterPlace } from '../capture/filter-place.ts'

// Names of hosts in a filter. libpcap asks for their addresses while it compiles, and whoever waits for a name server does
// nothing else meanwhile.

/** Words of filters (pcap-filter(7), scanner.l of libpcap). What is none of these may be a name. */
const KEYWORDS = new Set(
  (
    'dst src link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp ' +
    'atalk aarp decnet lat sca moprc mopdl iso esis es-is isis is-is l1 l2 iih lsp snp csnp psnp clnp stp ipx netbeui ' +
    'host net mask port portrange proto protochain gateway type subtype direction dir ra ta ' +
    'address1 address2 address3 address4 addr1 addr2 addr3 addr4 less greater byte broadcast multicast and or not len length ' +
    'inbound outbound ifindex vlan mpls pppoed pppoes geneve lane llc metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic vpi vci ' +
    'connectmsg metaconnect on ifname rset ruleset rnr rulenum srnr subrulenum reason action ' +
    'fisu lssu lsu msu hfisu hlssu hmsu sio opc dpc sls hsio hopc hdpc hsls ' +
    'icmptype icmpcode icmp6type icmp6code tcpflags tcp-fin tcp-syn tcp-rst tcp-push tcp-ack tcp-urg tcp-ece tcp-cwr'
  ).split(' '),
)
/** They join what has the same qualifiers. */
const JOINING = new Set(['and', 'or', 'not'])
/** Names behind these are of services and protocols, which the system's files tell. */
const BEFORE_SERVICES = new Set(['port', 'portrange', 'proto', 'protochain'])

/** As libpcap cuts a filter up, but that colons are left within words. */
const WORDS = /\\[^ !()\n\t]+|[\w.:$][-\w.:$]*/g
const NUMBER = /^(?:0x[0-9a-f]+|\d+)?$/i
const IPV4 = /^\d+(?:\.\d+){1,3}$/
const MAC =
  /^(?:[0-9a-f]{1,2}([:.-])(?:[0-9a-f]{1,2}\1){4}[0-9a-f]{1,2}|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}|[0-9a-f]{12})$/i
/** Types of ICMP; libpcap has a word for each. */
const ICMP =
  /^icmp-(?:echoreply|unreach|sourcequench|redirect|echo|routeradvert|routersolicit|timxceed|paramprob|tstamp|tstampreply|ireq|ireqreply|maskreq|maskreply)$/

/** Place of the first word of a filter that may be the name of a host or net; undefined if there is none. */
export function hostNameIn(filter: string): FilterPlace | undefined {
  let isService = false
  for (const { 0: word, index: from } of filter.matchAll(WORDS)) {
    if (KEYWORDS.has(word)) {
      if (!JOINING.has(word)) isService = BEFORE_SERVICES.has(word)
    } else if (!isService && !isAddress(word) && !word.split(':').every(isPart)) return { from, length: word.length }
  }
  return undefined
}

function isAddress(word: string): boolean {
  return IPV4.test(word) || MAC.test(word) || isIPv6(word)
}

/** Of `[2:2]` and `[tcpflags:1]`. */
function isPart(word: string): boolean {
  return NUMBER.test(word) || KEYWORDS.has(word) || ICMP.test(word)
}
