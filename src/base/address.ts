// Addresses as the columns hold them: an IP address is 16 network-order bytes (IPv4 as ::ffff:a.b.c.d),
// a MAC address one number below 2^48.

/** True if the 16 bytes at `at` are an IPv4-mapped address. */
export function isMapped(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < 10; i++) if (bytes[at + i] !== 0) return false
  return bytes[at + 10] === 0xff && bytes[at + 11] === 0xff
}

/** 16 bytes → text: dotted for IPv4-mapped, RFC 5952 for the rest. */
export function ipText(bytes: Uint8Array, at = 0): string {
  if (isMapped(bytes, at)) {
    return `${bytes[at + 12]}.${bytes[at + 13]}.${bytes[at + 14]}.${bytes[at + 15]}`
  }
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push(((bytes[at + i] as number) << 8) | (bytes[at + i + 1] as number))
  }
  let bestStart = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let run = 0
    while (i + run < 8 && groups[i + run] === 0) run++
    if (run > bestLength) {
      bestStart = i
      bestLength = run
    }
    if (run > 0) i += run
  }
  const hex = (part: number[]): string => part.map((g) => g.toString(16)).join(':')
  if (bestStart < 0) return hex(groups)
  return `${hex(groups.slice(0, bestStart))}::${hex(groups.slice(bestStart + bestLength))}`
}

/** Dotted IPv4 text → 4 bytes, or undefined. Strict: four decimal parts, no leading zeros. */
export function parseIpv4(text: string): Uint8Array | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (!match) return undefined
  const bytes = new Uint8Array(4)
  for (let i = 0; i < 4; i++) {
    const part = match[i + 1] as string
    const value = Number(part)
    if (value > 255 || (part.length > 1 && part.startsWith('0'))) return undefined
    bytes[i] = value
  }
  return bytes
}

/** IPv4 or IPv6 text → 16 bytes (IPv4 mapped), or undefined if it is neither. */
export function parseIp(text: string): Uint8Array | undefined {
  const v4 = parseIpv4(text)
  if (v4) {
    const mapped = new Uint8Array(16)
    mapped[10] = 0xff
    mapped[11] = 0xff
    mapped.set(v4, 12)
    return mapped
  }
  return parseIpv6(text)
}

function parseIpv6(text: string): Uint8Array | undefined {
  if (!text.includes(':') || text.length > 45) return undefined
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] as string)
  const tail = halves.length === 2 ? parseGroups(halves[1] as string) : []
  if (!head || !tail) return undefined
  const given = head.length + tail.length
  if (halves.length === 2 ? given > 14 : given !== 16) return undefined
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

function parseGroups(text: string): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const parts = text.split(':')
  for (const [i, part] of parts.entries()) {
    if (part.includes('.')) {
      const v4 = i === parts.length - 1 ? parseIpv4(part) : undefined
      if (!v4) return undefined
      bytes.push(...v4)
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return undefined
      const value = Number.parseInt(part, 16)
      bytes.push(value >> 8, value & 0xff)
    }
  }
  return bytes
}

/** A MAC address below 2^48 → `aa:bb:cc:dd:ee:ff`. */
export function macText(mac: number): string {
  const hex = mac.toString(16).padStart(12, '0')
  return `${hex.slice(0, 2)}:${hex.slice(2, 4)}:${hex.slice(4, 6)}:${hex.slice(6, 8)}:${hex.slice(8, 10)}:${hex.slice(10, 12)}`
}

/** `aa:bb:cc:dd:ee:ff`, `aa-bb-…` or `aabb.ccdd.eeff` → number, or undefined. */
export function parseMac(text: string): number | undefined {
  const paired = /^[0-9a-f]{2}([:-])(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}$/i.test(text)
  const dotted = /^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text)
  if (!paired && !dotted) return undefined
  return Number.parseInt(text.replaceAll(/[:.-]/g, ''), 16)
}
