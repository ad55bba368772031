import { parseIp } from '../base/address.ts'
import { UserError } from '../base/errors.ts'

/** Where an address lies, as far as the address itself tells. */
export type Realm = 'internal' | 'external' | 'private' | 'group' | 'none'

interface Network {
  readonly bytes: Uint8Array
  readonly bits: number
  readonly realm: 'internal' | 'external'
}

/** Longest-prefix match over the configured networks (a handful), then what the address ranges themselves mean. */
export function createNetworks(
  config: readonly { readonly prefix: string; readonly kind: 'internal' | 'external' }[],
): (bytes: Uint8Array, at: number) => Realm {
  const networks: Network[] = config
    .map(({ prefix, kind }) => ({ ...parsePrefix(prefix), realm: kind }))
    .sort((a, b) => b.bits - a.bits)
  return (bytes, at) => {
    for (const network of networks) if (inside(bytes, at, network)) return network.realm
    return realmOf(bytes, at)
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
    throw new UserError(`"${text}" is no network`, { hint: 'expected an address and a prefix length, such as 10.20.0.0/16 or 2001:db8::/32' })
  }
  return { bytes, bits: v4 ? bits + 96 : bits }
}

function inside(bytes: Uint8Array, at: number, network: Network): boolean {
  const whole = network.bits >> 3
  for (let i = 0; i < whole; i++) if (bytes[at + i] !== network.bytes[i]) return false
  const rest = network.bits & 7
  if (rest === 0) return true
  return (((bytes[at + whole] as number) ^ (network.bytes[whole] as number)) >> (8 - rest)) === 0
}

// RFC 1918, 3927, 6598, 4193, 4291
function realmOf(bytes: Uint8Array, at: number): Realm {
  let zeros = 0
  while (zeros < 16 && bytes[at + zeros] === 0) zeros++
  if (zeros === 16) return 'none'
  if (zeros === 10 && bytes[at + 10] === 0xff && bytes[at + 11] === 0xff) {
    const a = bytes[at + 12] as number
    const b = bytes[at + 13] as number
    if (a >= 224) return 'group'
    if (a === 0) return 'none'
    if (a === 10 || a === 127 || (a === 172 && b >> 4 === 1) || (a === 192 && b === 168)) return 'private'
    if ((a === 169 && b === 254) || (a === 100 && b >> 6 === 1)) return 'private'
    return 'external'
  }
  const first = bytes[at] as number
  if (first === 0xff) return 'group'
  if (first === 0xfc || first === 0xfd) return 'private'
  if (first === 0xfe && (bytes[at + 1] as number) >= 0x80) return 'private'
  return zeros === 15 ? 'private' : 'external'
}
