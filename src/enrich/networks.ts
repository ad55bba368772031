import { parseIp } from '../base/address.ts'
import { UserError } from '../base/errors.ts'

/** Where an address lies, as far as the address itself tells. Numbers, since it is asked for each row. */
export const NOWHERE = 0
export const GROUP = 1
export const PRIVATE = 2
export const INTERNAL = 3
export const EXTERNAL = 4
export type Realm = typeof NOWHERE | typeof GROUP | typeof PRIVATE | typeof INTERNAL | typeof EXTERNAL

/** `words` holds addresses as four raw u32 words each; `at` is the first of one. */
export type RealmOf = (words: Uint32Array, at: number) => Realm

/** The IPv4-mapped prefix, as a little-endian machine reads its third word. */
const MAPPED = 0xffff0000

/** Longest-prefix match over the configured networks (a handful), then what the address ranges themselves mean. */
export function createNetworks(
  config: readonly { readonly prefix: string; readonly kind: 'internal' | 'external' }[],
): RealmOf {
  const parsed = config
    .map(({ prefix, kind }) => ({ ...parsePrefix(prefix), realm: kind === 'internal' ? INTERNAL : EXTERNAL }))
    .sort((a, b) => b.bits - a.bits)
  const count = parsed.length
  const masks = new Uint32Array(count * 4)
  const values = new Uint32Array(count * 4)
  for (const [i, { bytes, bits }] of parsed.entries()) {
    const mask = new Uint8Array(16)
    for (let bit = 0; bit < bits; bit++) mask[bit >> 3] = (mask[bit >> 3] as number) | (0x80 >> (bit & 7))
    masks.set(new Uint32Array(mask.buffer), i * 4)
    const words = new Uint32Array(bytes.buffer)
    for (let w = 0; w < 4; w++) values[i * 4 + w] = (words[w] as number) & (masks[i * 4 + w] as number)
  }
  return (words, at) => {
    for (let i = 0; i < count; i++)
      if (inside(words, at, masks, values, i * 4)) return (parsed[i] as { realm: Realm }).realm
    return realmOf(words, at)
  }
}

/** `10.0.0.0/8`, `2001:db8::/32` or a single address → 16 bytes and the bits that count (of 128). */
export function parsePrefix(text: string): { bytes: Uint8Array; bits: number } {
  const [address, length, ...rest] = text.split('/')
  const bytes = parseIp(address ?? '')
  const v4 = bytes !== undefined && !(address ?? '').includes(':')
  const most = v4 ? 32 : 128
  const bits = length === undefined ? most : /^\d{1,3}$/.test(length) ? Number(length) : -1
  if (!bytes || rest.length > 0 || bits < 0 || bits > most) {
    throw new UserError(`"${text}" is no network`, {
      hint: 'expected an address and a prefix length, such as 10.20.0.0/16 or 2001:db8::/32',
    })
  }
  return { bytes, bits: v4 ? bits + 96 : bits }
}

function inside(words: Uint32Array, at: number, masks: Uint32Array, values: Uint32Array, network: number): boolean {
  for (let w = 0; w < 4; w++) {
    if ((((words[at + w] as number) & (masks[network + w] as number)) ^ (values[network + w] as number)) !== 0)
      return false
  }
  return true
}

// RFC 1918, 3927, 6598, 4193, 4291
function realmOf(words: Uint32Array, at: number): Realm {
  const first = words[at] as number
  if (first === 0 && words[at + 1] === 0) {
    const third = words[at + 2] as number
    const last = words[at + 3] as number
    if (third === MAPPED) return realmOfIpv4(last)
    if (third === 0) return last === 0 ? NOWHERE : PRIVATE
  }
  const a = first & 0xff
  if (a === 0xff) return GROUP
  if (a === 0xfc || a === 0xfd || (a === 0xfe && ((first >>> 8) & 0xff) >= 0x80)) return PRIVATE
  return EXTERNAL
}

function realmOfIpv4(word: number): Realm {
  const a = word & 0xff
  const b = (word >>> 8) & 0xff
  if (a >= 224) return GROUP
  if (a === 0) return NOWHERE
  if (a === 10 || a === 127 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168)) return PRIVATE
  if ((a === 169 && b === 254) || (a === 100 && b >> 6 === 1)) return PRIVATE
  return EXTERNAL
}
