import { parsePrefix } from './networks.ts'

// A writer of small MaxMind DB files, for tests: the format's specification is at maxmind.github.io/MaxMind-DB.

export type MmdbValue = string | number | boolean | readonly MmdbValue[] | { readonly [key: string]: MmdbValue }

export interface MmdbSource {
  readonly type: string
  /** Networks as prefixes, the less specific first. */
  readonly networks: readonly (readonly [prefix: string, value: MmdbValue])[]
  readonly recordSize?: 24 | 28 | 32
  readonly ipVersion?: 4 | 6
}

type Node = [Node | number | undefined, Node | number | undefined]

/** IPv4 lies under ::/96 in a tree of IPv6, without the ffff of mapped addresses. */
export function writeMmdb({ type, networks, recordSize = 28, ipVersion = 6 }: MmdbSource): Buffer {
  const data: number[] = []
  const places = new Map<string, number>()
  const root: Node = [undefined, undefined]
  for (const [prefix, value] of networks) {
    const text = JSON.stringify(value)
    let place = places.get(text)
    if (place === undefined) {
      place = data.length
      places.set(text, place)
      encode(value, data)
    }
    const { bytes, bits } = parsePrefix(prefix)
    const isV4 = !prefix.includes(':')
    if (isV4) bytes.fill(0, 0, 12)
    put(root, bytes, ipVersion === 4 ? 96 : 0, bits, place)
  }
  const nodes: Node[] = []
  number(root, nodes)
  const at = new Map(nodes.map((node, i) => [node, i]))
  const record = (of: Node[number]): number =>
    of === undefined ? nodes.length : typeof of === 'number' ? nodes.length + 16 + of : (at.get(of) as number)
  const tree = nodes.flatMap((node) => records(record(node[0]), record(node[1]), recordSize))
  const metadata: number[] = []
  encode(
    {
      binary_format_major_version: 2,
      binary_format_minor_version: 0,
      build_epoch: 1_760_000_000,
      database_type: type,
      description: { en: 'made for a test' },
      ip_version: ipVersion,
      languages: ['en'],
      node_count: nodes.length,
      record_size: recordSize,
    },
    metadata,
  )
  return Buffer.concat([
    Buffer.from(tree),
    Buffer.alloc(16),
    Buffer.from(data),
    Buffer.from('abcdef4d61784d696e642e636f6d', 'hex'),
    Buffer.from(metadata),
  ])
}

function put(root: Node, bytes: Uint8Array, from: number, to: number, place: number): void {
  let node = root
  for (let bit = from; bit < to; bit++) {
    const side = (((bytes[bit >> 3] as number) >> (7 - (bit & 7))) & 1) as 0 | 1
    if (bit === to - 1) node[side] = place
    else {
      const next = node[side]
      // A network within another one: what lies beside it keeps the other's value.
      if (typeof next === 'object') node = next
      else node = node[side] = [next, next]
    }
  }
}

function number(node: Node, nodes: Node[]): void {
  nodes.push(node)
  for (const side of node) if (typeof side === 'object') number(side, nodes)
}

function records(left: number, right: number, bits: number): number[] {
  const bytes = (value: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => Math.floor(value / 256 ** (count - 1 - i)) & 255)
  if (bits !== 28) return [...bytes(left, bits / 8), ...bytes(right, bits / 8)]
  return [...bytes(left, 3), ((left >>> 24) << 4) | (right >>> 24), ...bytes(right, 3)]
}

const UINT16 = 5
const UINT32 = 6
const UINT64 = 9
/** libmaxminddb asks for these of the metadata. */
const TYPES: Readonly<Record<string, number>> = {
  binary_format_major_version: UINT16,
  binary_format_minor_version: UINT16,
  build_epoch: UINT64,
  ip_version: UINT16,
  record_size: UINT16,
}

function encode(value: MmdbValue, into: number[], type = UINT32): void {
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    control(2, text.length, into)
    into.push(...text)
  } else if (typeof value === 'number') {
    const bytes: number[] = []
    for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
    control(type, bytes.length, into)
    into.push(...bytes)
  } else if (typeof value === 'boolean') control(14, value ? 1 : 0, into)
  else if (Array.isArray(value)) {
    control(11, value.length, into)
    for (const item of value as readonly MmdbValue[]) encode(item, into)
  } else {
    const entries = Object.entries(value)
    control(7, entries.length, into)
    for (const [key, item] of entries) {
      encode(key, into)
      encode(item, into, TYPES[key])
    }
  }
}

function control(type: number, size: number, into: number[]): void {
  const small = size < 29 ? size : size < 285 ? 29 : size < 65_821 ? 30 : 31
  into.push(((type <= 7 ? type : 0) << 5) | small)
  if (type > 7) into.push(type - 7)
  const more = size - [29, 285, 65_821][Math.max(0, small - 29)]!
  for (let i = small - 28 - 1; i >= 0; i--) into.push(Math.floor(more / 256 ** i) & 255)
}
