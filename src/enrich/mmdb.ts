import { OperatorError } from '../base/errors.ts'

// A reader of MaxMind DB files (maxmind.github.io/MaxMind-DB, version 2.0), made for asking once a flow: addresses are
// taken as the words of a batch, and an answer is a number; what it stands for is decoded once.
//
//   search tree: node_count nodes of two records, left for bit 0, right for bit 1
//   16 zero bytes
//   data section: maps, texts and numbers, with pointers among themselves
//   marker, metadata map

export interface Mmdb {
  /** `GeoLite2-Country`, `GeoLite2-ASN`, … */
  readonly type: string
  /** When it was made, milliseconds. */
  readonly built: number
  /**
   * The record of an address, as its place in the data section, or -1.
   * @param words addresses as four raw u32 words each, IPv4 mapped
   */
  find(words: Uint32Array, at: number): number
  /** The value at a place that `find` gave; undefined where the file is damaged. */
  value(place: number): unknown
  /** Places of all records in the tree, each once. */
  places(): number[]
}

const MARKER = Buffer.from('abcdef4d61784d696e642e636f6d', 'hex')
/** The metadata lies within the last 128 KiB. */
const MARKER_WITHIN = 128 * 1024
const SEPARATOR = 16
const MAPPED = 0xffff0000
const MOST_DEPTH = 32

/** Reads a whole file. Throws an OperatorError (`mmdb_damaged`) for what is none. */
export function openMmdb(bytes: Uint8Array, name: string): Mmdb {
  const damaged = (why: string): OperatorError =>
    new OperatorError('mmdb_damaged', `${name} is no MaxMind database: ${why}`, {
      hint: 'give a file such as GeoLite2-Country.mmdb or GeoLite2-ASN.mmdb',
    })
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const marker = buffer.lastIndexOf(MARKER)
  if (marker < 0 || marker < buffer.length - MARKER_WITHIN - MARKER.length) throw damaged('its metadata is missing')
  const described = createDecoder(buffer.subarray(marker + MARKER.length))
  const metadata = described(0) as Record<string, unknown> | undefined
  const nodes = Number(metadata?.['node_count'])
  const bits = Number(metadata?.['record_size'])
  const version = Number(metadata?.['ip_version'])
  if (![24, 28, 32].includes(bits) || !(nodes >= 0) || (version !== 4 && version !== 6))
    throw damaged('its metadata says nothing that is known here')
  const treeBytes = (nodes * bits) / 4
  if (treeBytes + SEPARATOR > marker) throw damaged('it is cut off')
  const data = buffer.subarray(treeBytes + SEPARATOR, marker)
  const tree = readTree(buffer, nodes, bits)
  // Once checked, no walk can leave the tree or the data.
  if (
    tree.some((record) => record > nodes && (record < nodes + SEPARATOR || record - nodes - SEPARATOR >= data.length))
  )
    throw damaged('its tree points outside of it')
  const decode = createDecoder(data)

  /** From a node down the bits of one word. Answers a node, or a record at or above `nodes`. */
  function down(from: number, word: number): number {
    // A raw word has the first byte of the address lowest.
    const big = ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)
    let node = from
    for (let bit = 31; bit >= 0 && node < nodes; bit--) node = tree[2 * node + ((big >>> bit) & 1)] as number
    return node
  }
  /** Node, or record, below the first 16 bits of each IPv4 address: half of a walk is saved by it. */
  const halves = new Uint32Array(65_536)
  let ipv4 = 0
  if (version === 6) for (let i = 0; i < 3; i++) ipv4 = down(ipv4, 0)
  for (let half = 0; half < halves.length; half++) {
    let node = ipv4
    for (let bit = 15; bit >= 0 && node < nodes; bit--) node = tree[2 * node + ((half >>> bit) & 1)] as number
    halves[half] = node
  }

  function ofIpv4(word: number): number {
    let node = halves[((word & 0xff) << 8) | ((word >>> 8) & 0xff)] as number
    const low = ((word >>> 8) & 0xff00) | (word >>> 24)
    for (let bit = 15; bit >= 0 && node < nodes; bit--) node = tree[2 * node + ((low >>> bit) & 1)] as number
    return node
  }

  const databaseType = metadata?.['database_type']
  return {
    type: typeof databaseType === 'string' ? databaseType : '',
    built: Number(metadata?.['build_epoch'] ?? 0) * 1000,
    find(words, at) {
      let node = 0
      if (words[at] === 0 && words[at + 1] === 0 && words[at + 2] === MAPPED) node = ofIpv4(words[at + 3] as number)
      else if (version === 4) return -1
      else for (let i = 0; i < 4 && node < nodes; i++) node = down(node, words[at + i] as number)
      return node > nodes ? node - nodes - SEPARATOR : -1
    },
    value: (place) => decode(place),
    places() {
      const seen = new Uint8Array(data.length)
      const found: number[] = []
      for (const record of tree) {
        const place = record - nodes - SEPARATOR
        if (record <= nodes || seen[place] === 1) continue
        seen[place] = 1
        found.push(place)
      }
      return found
    },
  }
}

/** The records as they stand, two a node, whatever their width in the file. */
function readTree(b: Buffer, nodes: number, bits: number): Uint32Array {
  const tree = new Uint32Array(2 * nodes)
  const byte = (at: number): number => b[at] as number
  const three = (at: number): number => (byte(at) << 16) | (byte(at + 1) << 8) | byte(at + 2)
  for (let node = 0, at = 0; node < nodes; node++, at += bits / 4) {
    let [left, right] = [0, 0]
    if (bits === 24) {
      left = three(at)
      right = three(at + 3)
    } else if (bits === 32) {
      left = (three(at) << 8) | byte(at + 3)
      right = (three(at + 4) << 8) | byte(at + 7)
    } else {
      // 28 bits: the byte in the middle holds the upper four of each.
      left = ((byte(at + 3) >> 4) << 24) | three(at)
      right = ((byte(at + 3) & 15) << 24) | three(at + 4)
    }
    tree[2 * node] = left
    tree[2 * node + 1] = right
  }
  return tree
}

// Data section: control byte { type 3 bits, size 5 bits }; type 0 is followed by a byte with the type less 7.
const POINTER = 1
const TEXT = 2
const DOUBLE = 3
const BYTES = 4
const MAP = 7
const INT32 = 8
const ARRAY = 11
const BOOLEAN = 14
const FLOAT = 15

/** Decodes the value at a place; undefined for what isn't one. */
function createDecoder(data: Buffer): (place: number) => unknown {
  let at = 0

  function value(depth: number): unknown {
    if (depth > MOST_DEPTH) throw new RangeError('too deep')
    const control = data.readUInt8(at++)
    let type = control >> 5
    if (type === POINTER) return pointed(control, depth)
    if (type === 0) type = data.readUInt8(at++) + 7
    let size = control & 31
    if (size > 28) {
      const more = size - 28
      size = data.readUIntBE(at, more) + ([29, 285, 65_821][more - 1] as number)
      at += more
    }
    if (type === MAP) return mapOf(size, depth)
    if (type === ARRAY) return Array.from({ length: bounded(size) }, () => value(depth + 1))
    if (type === BOOLEAN) return size !== 0
    const from = at
    bounded(size)
    at += size
    switch (type) {
      case TEXT:
        return data.toString('utf8', from, at)
      case BYTES:
        return data.subarray(from, at)
      case DOUBLE:
        return data.readDoubleBE(from)
      case FLOAT:
        return data.readFloatBE(from)
      case INT32:
        return size === 0 ? 0 : data.readIntBE(from, size)
      default:
        return size === 0 ? 0 : size <= 6 ? data.readUIntBE(from, size) : Number(`0x${data.toString('hex', from, at)}`)
    }
  }

  /** Each value takes a byte at least, so that no count asks for more than is there. */
  function bounded(size: number): number {
    if (size > data.length - at) throw new RangeError('cut off')
    return size
  }

  function mapOf(size: number, depth: number): Record<string, unknown> {
    const map: Record<string, unknown> = Object.create(null)
    for (let i = bounded(size); i > 0; i--) {
      const key = value(depth + 1)
      map[String(key)] = value(depth + 1)
    }
    return map
  }

  function pointed(control: number, depth: number): unknown {
    const size = (control >> 3) & 3
    const length = size + 1
    const head = size === 3 ? 0 : (control & 7) * 2 ** (8 * length)
    const target = head + data.readUIntBE(at, length) + ([0, 2048, 526_336, 0][size] as number)
    at += length
    const back = at
    at = target
    const found = value(depth + 1)
    at = back
    return found
  }

  return (place) => {
    at = place
    try {
      return value(0)
    } catch {
      return undefined
    }
  }
}
