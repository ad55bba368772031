// What kinds of traffic there are: for each, the packets that a hundred of it are made of.

export const TCP = { syn: 0x02, synAck: 0x12, ack: 0x10, push: 0x18, fin: 0x11 } as const

/** Packets of one kind: their part of all, which way they go, and their payload behind TCP, UDP or ICMP, uniform between two sizes. */
export interface PacketClass {
  /** From the client to the server. */
  readonly up: boolean
  /** Part of the packets of the conversation; the parts of a profile sum to 1. */
  readonly share: number
  readonly low: number
  readonly high: number
  /** TCP flags; 0 otherwise. */
  readonly flags: number
}

export interface Profile {
  readonly name: string
  readonly proto: 'tcp' | 'udp' | 'icmp' | 'arp'
  /** Server port. */
  readonly port: number
  readonly classes: readonly PacketClass[]
}

/** Payload of a full TCP segment: 1500 bytes less IPv4 (IPv6 has room for 20 less) and TCP with its timestamps. */
export const FULL_SEGMENT = 1448

type Part = readonly [way: 'up' | 'down', percent: number, low: number, high: number, flags?: number]

function profile(name: string, proto: Profile['proto'], port: number, ...parts: readonly Part[]): Profile {
  const sum = parts.reduce((total, part) => total + part[1], 0)
  return {
    name,
    proto,
    port,
    classes: parts.map(([way, percent, low, high, flags]) => ({
      up: way === 'up',
      share: percent / sum,
      low,
      high,
      flags: proto === 'tcp' ? (flags ?? (high === 0 ? TCP.ack : TCP.push)) : 0,
    })),
  }
}

/** Connections that open and close: SYN, SYN-ACK and FINs are this part of a hundred packets. */
const OPENING: readonly Part[] = [
  ['up', 1.2, 0, 0, TCP.syn],
  ['down', 1.2, 0, 0, TCP.synAck],
  ['up', 1, 0, 0, TCP.fin],
  ['down', 1, 0, 0, TCP.fin],
]
const FULL = [FULL_SEGMENT, FULL_SEGMENT, TCP.ack] as const

export const PROFILES = {
  web: profile(
    'https',
    'tcp',
    443,
    ...OPENING,
    ['up', 12, 180, 900],
    ['up', 24, 0, 0],
    ['down', 44, ...FULL],
    ['down', 9, 60, 1400],
    ['down', 6, 0, 0],
  ),
  app: profile(
    'app',
    'tcp',
    8080,
    ...OPENING,
    ['up', 25, 120, 1100],
    ['up', 18, 0, 0],
    ['down', 22, ...FULL],
    ['down', 18, 80, 1200],
    ['down', 10, 0, 0],
  ),
  cache: profile(
    'cache',
    'tcp',
    6379,
    ['up', 32, 40, 140],
    ['up', 14, 0, 0],
    ['down', 28, 20, 900],
    ['down', 10, ...FULL],
    ['down', 12, 0, 0],
  ),
  database: profile(
    'database',
    'tcp',
    5432,
    ['up', 26, 60, 700],
    ['up', 16, 0, 0],
    ['down', 26, ...FULL],
    ['down', 18, 80, 1300],
    ['down', 9, 0, 0],
  ),
  replication: profile('replication', 'tcp', 5432, ['down', 60, ...FULL], ['down', 8, 100, 1400], ['up', 32, 0, 0]),
  iscsi: profile(
    'iscsi',
    'tcp',
    3260,
    ['up', 25, ...FULL],
    ['up', 6, 48, 560],
    ['up', 18, 0, 0],
    ['down', 32, ...FULL],
    ['down', 6, 48, 560],
    ['down', 13, 0, 0],
  ),
  nfs: profile(
    'nfs',
    'tcp',
    2049,
    ['up', 20, ...FULL],
    ['up', 9, 100, 260],
    ['up', 17, 0, 0],
    ['down', 35, ...FULL],
    ['down', 8, 100, 700],
    ['down', 11, 0, 0],
  ),
  backup: profile(
    'backup',
    'tcp',
    10_000,
    ['up', 62, ...FULL],
    ['up', 4, 100, 1400],
    ['down', 32, 0, 0],
    ['down', 2, 40, 200],
  ),
  dns: profile('dns', 'udp', 53, ['up', 50, 28, 62], ['down', 50, 60, 430]),
  ntp: profile('ntp', 'udp', 123, ['up', 50, 48, 48], ['down', 50, 48, 48]),
  mail: profile(
    'smtp',
    'tcp',
    25,
    ...OPENING,
    ['up', 34, ...FULL],
    ['up', 18, 20, 1200],
    ['down', 14, 20, 120],
    ['down', 30, 0, 0],
  ),
  ssh: profile('ssh', 'tcp', 22, ['up', 34, 36, 180], ['up', 16, 0, 0], ['down', 40, 36, 900], ['down', 10, 0, 0]),
  metrics: profile(
    'metrics',
    'tcp',
    9100,
    ...OPENING,
    ['up', 12, 180, 300],
    ['up', 26, 0, 0],
    ['down', 46, ...FULL],
    ['down', 10, 60, 1400],
  ),
  snmp: profile('snmp', 'udp', 161, ['up', 50, 44, 180], ['down', 50, 80, 900]),
  syslog: profile('syslog', 'udp', 514, ['up', 100, 80, 420]),
  science: profile(
    'gridftp',
    'tcp',
    2811,
    ['up', 58, ...FULL],
    ['up', 6, 200, 1400],
    ['down', 31, 0, 0],
    ['down', 5, 40, 300],
  ),
  cluster: profile(
    'cluster',
    'tcp',
    7077,
    ['up', 24, ...FULL],
    ['up', 14, 64, 1200],
    ['up', 13, 0, 0],
    ['down', 24, ...FULL],
    ['down', 12, 64, 1200],
    ['down', 13, 0, 0],
  ),
  video: profile('rtp', 'udp', 5004, ['down', 99, 1328, 1328], ['up', 1, 52, 120]),
  iperf: profile('iperf3', 'tcp', 5201, ['up', 66, ...FULL], ['down', 34, 0, 0]),
  update: profile(
    'https',
    'tcp',
    443,
    ...OPENING,
    ['up', 4, 200, 600],
    ['up', 30, 0, 0],
    ['down', 60, ...FULL],
    ['down', 4, 60, 1400],
  ),
  ping: profile('ping', 'icmp', 0, ['up', 50, 56, 56], ['down', 50, 56, 56]),
  arp: profile('arp', 'arp', 0, ['up', 50, 0, 0], ['down', 50, 0, 0]),
} as const satisfies Record<string, Profile>
