// The kinds of value that the configuration knows. Each schema's error text is a noun phrase, what was
// expected in its place; `meta.kind` is what the reference page calls it.

import { z } from 'zod'
import { macText, parseIp, parseMac } from '../base/address.ts'

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}

/** `512MiB`, `10 GB` or a plain number of bytes → bytes, or undefined. */
export function parseBytes(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGT]?i?B)?\s*$/i.exec(value)
  if (!match) return undefined
  const bytes = Math.round(Number(match[1]) * (UNITS[(match[2] ?? 'B').toUpperCase()] as number))
  return Number.isSafeInteger(bytes) ? bytes : undefined
}

/** Network in CIDR form, its address in range for its family. */
export function isPrefix(text: string): boolean {
  const match = /^(.+)\/(\d{1,3})$/.exec(text)
  if (!match) return false
  const address = match[1] as string
  if (!parseIp(address)) return false
  return Number(match[2]) <= (address.includes(':') ? 128 : 32)
}

export function whole(min: number, max: number, what: string): z.ZodInt {
  return z.int({ error: what }).min(min, { error: what }).max(max, { error: what }).meta({ kind: what })
}

export function text(what: string): z.ZodString {
  const error = `${what}, as text of 1 to 255 characters`
  return z.string({ error }).min(1, { error }).max(255, { error }).meta({ kind: what })
}

export const port = (): z.ZodInt => whole(0, 65535, 'a port number from 0 to 65535')
export const vlanId = (): z.ZodInt => whole(1, 4094, 'a VLAN ID from 1 to 4094')
export const samplingRate = (): z.ZodInt => whole(1, 2 ** 32 - 1, 'a sampling rate: N for one packet in N, at least 1')

const ADDRESS = 'an IPv4 or IPv6 address'
export const address = () =>
  z
    .string({ error: ADDRESS })
    .refine((value) => parseIp(value) !== undefined, { error: ADDRESS })
    .meta({ kind: ADDRESS })

const DNS_SERVER = 'a name server like 192.0.2.53, 192.0.2.53:5353 or [2001:db8::53]:5353'
export const dnsServer = () =>
  z.string({ error: DNS_SERVER }).refine(isDnsServer, { error: DNS_SERVER }).meta({ kind: DNS_SERVER })

function isDnsServer(value: string): boolean {
  if (parseIp(value)) return true
  const match = /^(?:\[([\da-f:.]+)\]|([\d.]+)):(\d{1,5})$/i.exec(value)
  const host = match?.[1] ?? match?.[2] ?? ''
  const port = Number(match?.[3])
  return parseIp(host) !== undefined && port >= 1 && port <= 65535
}

const HOST = 'a host name or an IP address'
export const hostName = () =>
  z
    .string({ error: HOST })
    .refine((value) => parseIp(value) !== undefined || /^[a-z\d]([a-z\d.-]{0,252}[a-z\d])?$/i.test(value), {
      error: HOST,
    })
    .meta({ kind: HOST })

const MAC = 'a MAC address like 52:54:00:12:34:56'
/** Answers it as lower case with colons. */
export const mac = () =>
  z
    .string({ error: MAC })
    .refine((value) => parseMac(value) !== undefined, { error: MAC, abort: true })
    .transform((value) => macText(parseMac(value) as number))
    .meta({ kind: MAC })

const PREFIX = 'a network like 10.0.0.0/8 or 2001:db8::/32'
export const prefix = () => z.string({ error: PREFIX }).refine(isPrefix, { error: PREFIX }).meta({ kind: PREFIX })

const ADDRESS_OR_PREFIX = 'an IP address, or a network like 10.0.0.0/8'
/** No network of all addresses: it would mean everybody. */
export const addressOrPrefix = () =>
  z
    .string({ error: ADDRESS_OR_PREFIX })
    .refine((text) => (isPrefix(text) ? !/\/0+$/.test(text) : parseIp(text) !== undefined), {
      error: ADDRESS_OR_PREFIX,
    })
    .meta({ kind: ADDRESS_OR_PREFIX })

/** A name that stands in statements without quotes; with `-` in it, between quotes. */
export function word(what: string, characters = /^[A-Za-z]\w{0,62}$/, which = 'letters, digits and _'): z.ZodString {
  const error = `${what}: ${which}, at most 63, beginning with a letter`
  return z.string({ error }).regex(characters, { error }).meta({ kind: what })
}

const SERVER = 'an http:// or https:// URL without user, password and query, or a list of up to 64'
/** One URL or several; answers a list, without slashes at the ends. */
export const serverUrls = () =>
  z
    .union([z.string(), z.array(z.string())], { error: SERVER })
    .transform((value, context): string[] => {
      const urls = typeof value === 'string' ? [value] : value
      if (urls.length > 0 && urls.length <= 64 && urls.every(isServerUrl))
        return urls.map((url) => url.replace(/\/+$/, ''))
      context.issues.push({ code: 'custom', message: SERVER, input: value })
      return z.NEVER
    })
    .meta({ kind: 'a URL, or a list of URLs' })

function isServerUrl(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return false
  return url.username === '' && url.password === '' && url.search === '' && url.hash === ''
}

/** Bytes, given as a number or with a unit; answers a number. */
export const size = (min: number, max = Number.MAX_SAFE_INTEGER) => {
  const bounds =
    max === Number.MAX_SAFE_INTEGER ? `at least ${bytesText(min)}` : `${bytesText(min)} to ${bytesText(max)}`
  const error = `a size in bytes, or with a unit like 512MiB or 10GB; ${bounds}`
  return z
    .union([z.number(), z.string()], { error })
    .transform((value, context): number => {
      const bytes = parseBytes(value)
      if (bytes !== undefined && bytes >= min && bytes <= max) return bytes
      context.issues.push({ code: 'custom', message: error, input: value })
      return z.NEVER
    })
    .meta({ kind: `a size; ${bounds}` })
}

export function bytesText(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const factor = UNITS[unit.toUpperCase()] as number
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`
  }
  return `${bytes}B`
}
