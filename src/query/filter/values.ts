import { ipText, isMapped, parseIp, parseIpv4, parseMac } from '../../base/address.ts'
import type { Single, Value } from './ast.ts'
import type { Token } from './lexer.ts'
import { ETHERTYPE_WORDS, PROTOCOL_WORDS, ethertypeNumber, flagBits, protocolNumber } from './names.ts'
import type { Noun } from './nouns.ts'

// One word → one value, by the kind of its noun. Undefined means that the word can't be read so; `expectation` says
// what can.

const SUFFIX: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12 }
const DURATION: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }

/** `1500`, `0x1f`, `64k`, `1.5G` (powers of 1000) → number, or undefined. */
export function readNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]{1,13}$/i.test(text)) return Number.parseInt(text, 16)
  const match = /^(\d{1,16}(?:\.\d{1,9})?)([kmgt]?)$/i.exec(text)
  if (!match) return undefined
  const value = Number(match[1]) * (SUFFIX[(match[2] as string).toLowerCase()] ?? 1)
  return Number.isSafeInteger(value) ? value : undefined
}

/** The value of a token for a noun; `like` if behind that word, `net` if the noun was written as one. */
export function readValue(noun: Noun, token: Token, how: { like?: boolean; net?: boolean } = {}): Value | undefined {
  const { like = false, net = false } = how
  if (token.kind === 'string') return quotedValue(noun, token.text, like)
  const text = token.text
  switch (noun.kind) {
    case 'ip':
      return readIp(text, net || noun.name === 'net') ?? (noun.name === 'exporter' ? readName(text, like) : undefined)
    case 'mac':
      return readMac(text)
    case 'name':
      return readName(text, like)
    case 'country':
      return readCountry(text)
    case 'as':
      return readAs(noun, text, like)
    case 'enum':
      return readEnum(noun, text)
    case 'flags': {
      const bits = readNumber(text) ?? flagBits(text)
      return bits === undefined || bits > noun.max ? undefined : { type: 'flags', value: bits }
    }
    case 'boolean': {
      const value = booleans.get(text.toLowerCase())
      return value === undefined ? undefined : { type: 'boolean', value }
    }
    case 'service':
      return readService(text)
    default:
      return readScalar(noun, text) ?? readRange(text, (part) => readScalar(noun, part))
  }
}

const booleans = new Map([
  ['yes', true],
  ['true', true],
  ['1', true],
  ['no', false],
  ['false', false],
  ['0', false],
])

/** What a value of this noun looks like, in words. */
export function expectation(noun: Noun): string {
  switch (noun.kind) {
    case 'ip':
      return noun.name === 'exporter'
        ? 'an address or a name'
        : 'an address such as 10.0.0.1, 10.0.0.0/8 or 2001:db8::1'
    case 'mac':
      return 'a MAC address such as 02:00:5e:10:00:01'
    case 'name':
      return noun.name === 'host' ? 'a host’s name or an address' : 'a name; quotes keep blanks'
    case 'enum':
      return Object.values(noun.values ?? {}).join(', ')
    case 'country':
      return 'a country by its two letters, such as CH'
    case 'as':
      return `a number from 0 to ${noun.max}, or a name`
    case 'flags':
      return 'flags by their letters F S R P A U E C'
    case 'proto':
      return 'a protocol such as tcp, udp, icmp or a number up to 255'
    case 'ethertype':
      return 'an EtherType such as ipv4, arp or 0x8847'
    case 'duration':
      return 'a time such as 5s, 2min or 1h, or milliseconds'
    case 'time':
      return 'a time such as 2026-03-01T14:00:00Z, or milliseconds since 1970'
    case 'boolean':
      return 'yes or no'
    case 'service':
      return 'a port and protocol such as 443/tcp'
    default:
      return noun.max === Number.MAX_SAFE_INTEGER
        ? 'a number such as 1500, 64k or 2G'
        : `a number from 0 to ${noun.max}`
  }
}

/** What is asked for nearly always. */
const USUAL_PROTOCOLS = ['tcp', 'udp', 'icmp', 'icmp6', 'gre', 'esp', 'sctp']

/** Words that complete a value without asking the store, best first. */
export function fixedValues(noun: Noun): readonly string[] {
  if (noun.kind === 'enum') return Object.values(noun.values ?? {})
  if (noun.kind === 'proto') return [...new Set([...USUAL_PROTOCOLS, ...PROTOCOL_WORDS])]
  if (noun.kind === 'ethertype') return ETHERTYPE_WORDS
  if (noun.kind === 'boolean') return ['yes', 'no']
  return Object.keys(noun.names ?? {})
}

function quotedValue(noun: Noun, text: string, like: boolean): Value | undefined {
  if (noun.kind === 'name' || noun.kind === 'as') return { type: like ? 'pattern' : 'name', value: text }
  if (noun.kind === 'country') return text === '' ? { type: 'name', value: '' } : readCountry(text)
  if (noun.name === 'exporter') return readIp(text, false) ?? { type: like ? 'pattern' : 'name', value: text }
  if (noun.kind === 'enum') return readEnum(noun, text)
  return undefined
}

function readName(text: string, like: boolean): Value {
  return { type: like || text.includes('*') ? 'pattern' : 'name', value: text }
}

function readCountry(text: string): Value | undefined {
  return /^[a-z]{2}$/i.test(text) ? { type: 'name', value: text.toUpperCase() } : undefined
}

/** The two letters of a country of this English name, or undefined. */
export function countryNamed(name: string): string | undefined {
  const names = new Intl.DisplayNames('en', { type: 'region' })
  for (let i = 0; i < 26 * 26; i++) {
    const code = String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26))
    if (names.of(code)?.toLowerCase() === name.toLowerCase()) return code
  }
  return undefined
}

/** A number or a range of them; what begins with a letter is a name. */
function readAs(noun: Noun, text: string, like: boolean): Value | undefined {
  if (like || /^[^\d]/.test(text)) return readName(text, like)
  return readScalar(noun, text) ?? readRange(text, (part) => readScalar(noun, part))
}

function readEnum(noun: Noun, text: string): Value | undefined {
  const wanted = text.toLowerCase().replaceAll('-', '_')
  // The numbers of a direction are those of flowDirection (IANA element 61), not the store's.
  const offset = noun.columns.any?.[0] === 'direction' ? 1 : 0
  for (const [number, name] of Object.entries(noun.values ?? {})) {
    if (name === wanted || String(Number(number) - offset) === text) return { type: 'name', value: name }
  }
  return undefined
}

function readScalar(noun: Noun, text: string): Single | undefined {
  if (noun.kind === 'time') return readTime(text)
  if (noun.kind === 'duration') return readDuration(text)
  const named =
    noun.kind === 'proto'
      ? protocolNumber(text)
      : noun.kind === 'ethertype'
        ? ethertypeNumber(text)
        : numberNamed(noun, text)
  const value = named ?? readNumber(text)
  return value === undefined || value > noun.max ? undefined : { type: 'number', value }
}

function numberNamed(noun: Noun, text: string): number | undefined {
  const name = text.toLowerCase()
  return noun.names !== undefined && Object.hasOwn(noun.names, name) ? noun.names[name] : undefined
}

function readDuration(text: string): Single | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|min|h|d)?$/i.exec(text)
  if (!match) return undefined
  const value = Number(match[1]) * (DURATION[(match[2] ?? '').toLowerCase()] as number)
  return { type: 'number', value: Math.round(value) }
}

/** ISO 8601 (UTC unless a zone is given) or milliseconds since 1970. */
function readTime(text: string): Single | undefined {
  if (/^\d{1,15}$/.test(text)) return { type: 'time', value: Number(text) }
  const match = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(text)
  if (!match) return undefined
  const value = Date.parse(`${match[1]}T${match[2] ?? '00:00'}${match[3] ?? 'Z'}`)
  return Number.isNaN(value) || value < 0 ? undefined : { type: 'time', value }
}

function readRange(text: string, read: (part: string) => Single | undefined): Value | undefined {
  for (let dash = text.indexOf('-', 1); dash > 0; dash = text.indexOf('-', dash + 1)) {
    const low = read(text.slice(0, dash))
    const high = read(text.slice(dash + 1))
    if (low && high && !isAfter(low, high)) return { type: 'range', low, high }
  }
  return undefined
}

function isAfter(low: Single, high: Single): boolean {
  if (low.type !== 'ip') return low.value > high.value
  const a = parseIp(low.value) as Uint8Array
  const b = parseIp(String(high.value)) as Uint8Array
  const differs = a.findIndex((byte, i) => byte !== b[i])
  return differs >= 0 && (a[differs] as number) > (b[differs] as number)
}

function readMac(text: string): Value | undefined {
  const [address, prefix] = text.split('/') as [string, string?]
  const value = parseMac(address)
  if (value === undefined) return undefined
  if (prefix === undefined) return { type: 'mac', value }
  const bits = /^\d{1,2}$/.test(prefix) ? Number(prefix) : 49
  if (bits > 48) return undefined
  const rest = 2 ** (48 - bits)
  return { type: 'mac-net', value: Math.floor(value / rest) * rest, bits }
}

function readService(text: string): Value | undefined {
  const [first, second] = text.split('/') as [string, string?]
  if (second === undefined) {
    const proto = protocolNumber(first)
    return proto === undefined ? undefined : { type: 'service', proto }
  }
  const [portText, protoText] = /^\d/.test(first) ? [first, second] : [second, first]
  const port = readNumber(portText)
  const proto = protocolNumber(protoText) ?? readNumber(protoText)
  if (port === undefined || port > 0xffff || proto === undefined || proto > 255) return undefined
  return { type: 'service', proto, port }
}

/** Address, prefix or range. `short`: 10.1 stands for 10.1.0.0/16, as behind `net`. */
function readIp(text: string, short: boolean): Value | undefined {
  const slash = text.indexOf('/')
  if (slash >= 0) return readNet(text.slice(0, slash), text.slice(slash + 1))
  const single = readAddress(text)
  if (single) return single
  const parts = text.split('.').length
  if (short && parts < 4 && fullIpv4(text)) return network(fullIpv4(text) as string, parts * 8)
  return readRange(text, readAddress)
}

function readAddress(text: string): Single | undefined {
  const bytes = parseIp(text)
  return bytes ? { type: 'ip', value: ipText(bytes) } : undefined
}

function readNet(address: string, prefix: string): Value | undefined {
  const full = parseIp(address) ? address : fullIpv4(address)
  if (full === undefined || !/^\d{1,3}$/.test(prefix)) return undefined
  return network(full, Number(prefix))
}

/** `10.1` → `10.1.0.0`. */
function fullIpv4(text: string): string | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){0,3}$/.test(text)) return undefined
  const full = text + '.0'.repeat(4 - text.split('.').length)
  return parseIpv4(full) ? full : undefined
}

/** Address and prefix length → network with its host bits cleared. */
export function network(address: string, bits: number): Value | undefined {
  const bytes = parseIp(address)
  if (!bytes) return undefined
  const length = address.includes(':') ? bits : bits + 96
  if (length > 128) return undefined
  for (let i = 0; i < 16; i++) {
    const keep = Math.min(8, Math.max(0, length - i * 8))
    bytes[i] = (bytes[i] as number) & (0xff << (8 - keep)) & 0xff
  }
  return { type: 'net', value: ipText(bytes), bits: isMapped(bytes, 0) ? length - 96 : length }
}

/** `255.255.240.0` → 20, or undefined if its ones aren't together. */
export function maskBits(text: string): number | undefined {
  const bytes = parseIpv4(text)
  if (!bytes) return undefined
  let bits = 0
  let ended = false
  for (const byte of bytes) {
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte & (1 << bit)) !== 0
      if (one && ended) return undefined
      if (one) bits++
      else ended = true
    }
  }
  return bits
}
