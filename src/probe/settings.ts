import { parseIp, parseMac } from '../base/address.ts'
import { EXPECTED_MIRRORS, parseMirrors, type MirrorChoice } from '../capture/mirror-choice.ts'

// The settings of vsprobed.conf: their spellings, and how the value of each is read.

type Reader<T> = (value: string) => T | undefined

export interface Setting<T> {
  /** Spellings; the first is the usual one. */
  readonly names: readonly string[]
  readonly read: Reader<T>
  readonly expected: string
}

const MOST_U32 = 0xffffffff

function whole(names: readonly string[], least: number, most: number): Setting<number> {
  return {
    names,
    expected: `a whole number from ${least} to ${most}`,
    read: (value) =>
      /^\d{1,12}$/.test(value) && Number(value) >= least && Number(value) <= most ? Number(value) : undefined,
  }
}

const WORDS: ReadonlyMap<string, boolean> = new Map([
  ...['on', 'yes', 'true', '1'].map((word) => [word, true] as const),
  ...['off', 'no', 'false', '0'].map((word) => [word, false] as const),
])

function flag(name: string): Setting<boolean> {
  return { names: [name], expected: '1 or 0 (on or off)', read: (value) => WORDS.get(value.toLowerCase()) }
}

function text(name: string, pattern: RegExp, expected: string): Setting<string> {
  return { names: [name], expected, read: (value) => (pattern.test(value) ? value : undefined) }
}

/** One of a few words. */
function word<T extends string>(name: string, words: readonly T[]): Setting<T> {
  return {
    names: [name],
    expected: words.join(' or '),
    read: (value) => words.find((each) => each === value.toLowerCase()),
  }
}

const address = (name: string): Setting<Uint8Array> => ({
  names: [name],
  expected: 'an IPv4 or IPv6 address',
  read: (value) => parseIp(value) ?? undefined,
})

const SUFFIXES: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9, t: 1e12 }

/** `1G`, `100M`, `10000000`. */
export const SPEED: Setting<number> = {
  names: ['ifspeed'],
  expected: 'bits a second, such as 1G, 100M or 10000000',
  read: (value) => {
    const match = /^(\d{1,15}(?:\.\d{1,6})?)([kmgt]?)$/i.exec(value)
    const speed = Number(match?.[1]) * (SUFFIXES[(match?.[2] ?? '').toLowerCase()] ?? Number.NaN)
    return Number.isSafeInteger(Math.round(speed)) ? Math.round(speed) : undefined
  },
}

export const MAC: Setting<number> = {
  names: ['mac'],
  expected: 'a MAC address of one interface, such as 00:14:22:59:22:77',
  read: (value) => {
    const mac = parseMac(value)
    // Neither zero nor a group address names an interface
    return mac === undefined || mac === 0 || (Math.floor(mac / 2 ** 40) & 1) === 1 ? undefined : mac
  },
}

export const AGENT = address('agentip')
export const RATE = whole(['packetsamplingrate'], 1, 0x3fffffff)
export const POLLING = whole(['counterpollinginterval'], 1, 86_400)
export const FIRST_INDEX = whole(['firstifindex', 'startifindex'], 1, 0x3ffffffe)
export const FIRST_SUB_AGENT = whole(['firstsubagentid', 'startsubagentid'], 0, MOST_U32)
export const COLLECTOR_IP = text('ip', /^[\w.:-]{1,253}$/, 'the address of the collector')
export const COLLECTOR_PORT = whole(['udpport'], 1, 65_535)
export const DEVICE = text('device', /^(?:pcap:)?[^\s/]{1,15}$/, 'the name of a network device')
export const HEADER_BYTES = whole(['headerbytes'], 14, 1024)
export const PROMISCUOUS = flag('promiscuousmode')
export const FILTER = text('filter', /./, 'a filter in tcpdump’s words')
export const LEARN = flag('learn')
export const TYPE = whole(['iftype'], 1, 65_535)
export const TAGGED = flag('tagged')
export const NAME = text('name', /^.{1,255}$/, 'a name')
export const UNWRAP: Setting<MirrorChoice[]> = { names: ['unwrap'], expected: EXPECTED_MIRRORS, read: parseMirrors }
export const SAMPLING = word('sampling', ['probe', 'kernel'])
export const COUNTERS = word('counters', ['frames', 'kernel'])
export const IF_INDEX = word('ifindex', ['file', 'kernel'])
export const OVSDB = text('ovsdb', /^\/[^\0]{1,100}$/, 'the path of the socket of Open vSwitch’s database')
/** Of a port: the kernel's device. */
export const PORT_DEVICE = text('device', /^[^\s/:]{1,15}$/, 'the name of a network device')

/** `1M`, `64k`, `2G`: decimal. */
const size = (name: string): Setting<number> => ({
  names: [name],
  expected: 'a number of bytes, such as 10M or 500k',
  read: (value) => {
    const match = /^(\d{1,12})([kmgt]?)$/i.exec(value)
    const bytes = Number(match?.[1]) * (SUFFIXES[(match?.[2] ?? '').toLowerCase()] ?? Number.NaN)
    return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined
  },
})

/** `127.0.0.1:6690`, `[::1]:6690`. */
export const LISTEN: Setting<{ host: string; port: number }> = {
  names: ['listen'],
  expected: 'an address and a port, such as 127.0.0.1:6690 or [::1]:6690',
  read: (value) => {
    const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(value)
    const host = match?.[1] ?? match?.[2] ?? ''
    const port = Number(match?.[3])
    return parseIp(host) !== undefined && port <= 65_535 ? { host, port } : undefined
  },
}
export const SECRET_FILE = text('secretfile', /^\/[^\0]{1,1000}$/, 'the path of a file with the secret')
export const CAPTURE_DEVICES: Setting<string[]> = {
  names: ['devices'],
  expected: 'names of network devices with commas between',
  read: (value) => {
    const names = value.split(',').map((name) => name.trim())
    return names.every((name) => /^[^\s/]{1,64}$/.test(name)) ? names : undefined
  },
}
export const MOST_BYTES = size('maxbytes')
export const MOST_SECONDS = whole(['maxseconds'], 1, 86_400)
export const MOST_CAPTURES = whole(['maxcaptures'], 1, 16)
export const MOST_SNAPSHOT = whole(['snaplen'], 64, 262_144)
