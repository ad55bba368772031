import { parseIp } from '../base/address.ts'
import { COLUMNS, type ColumnDefinition } from '../flow/columns.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { MetricBatch } from '../flow/metric-batch.ts'

// ClickHouse Native format: columns of one block, one after another. The typed arrays of a FlowBatch already have
// the layout of its columns, so a block is a list of headers and array views that goes to disk by writev.
//
//   varint columns, varint rows
//   for each column: varint length + name, varint length + type, data
// Data of a fixed-width type is its little-endian values (IPv6: 16 network-order bytes; Bool and Enum8: one byte).
// Data of a LowCardinality(String), whole in each block:
//   u64 version = 1, u64 flags = index width (0 = u8, 1 = u16, 2 = u32) | 0x200 keys follow | 0x400 new dictionary,
//   u64 keys, keys × (varint length + UTF-8), u64 rows, rows × index

const KEYS_FOLLOW = 0x200
const NEW_DICTIONARY = 0x400

interface NamedType {
  readonly name: string
  readonly type: string
}

/** Columns of the table `metrics`, as a MetricBatch fills them. */
export const METRIC_COLUMNS: readonly (NamedType & { readonly codec: string })[] = [
  { name: 'time', type: "DateTime64(3, 'UTC')", codec: 'CODEC(DoubleDelta, ZSTD(1))' },
  { name: 'source', type: 'IPv6', codec: 'CODEC(ZSTD(1))' },
  { name: 'observation', type: 'UInt32', codec: 'CODEC(ZSTD(1))' },
  { name: 'entity', type: 'LowCardinality(String)', codec: 'CODEC(ZSTD(1))' },
  { name: 'metric', type: 'LowCardinality(String)', codec: 'CODEC(ZSTD(1))' },
  { name: 'value', type: 'Float64', codec: 'CODEC(Gorilla, ZSTD(1))' },
]

export interface FlowEncoder {
  /**
   * The block of a batch's rows. The parts are views into the batch: write them before it is reused.
   * Enum and Bool values that the column does not know are set to 0 and 1 in the batch first, because the
   * engine would take them and then fail each query that shows them.
   */
  encode(batch: FlowBatch, names: readonly string[]): Uint8Array[]
}

export function createFlowEncoder(): FlowEncoder {
  const headers = new Map(COLUMNS.map((column) => [column.name, columnHeader(column)]))
  const dictionary = createDictionary()
  return {
    encode(batch, names) {
      const parts: Uint8Array[] = [blockHeader(COLUMNS.length, batch.n)]
      dictionary.open(names.length)
      for (const column of COLUMNS) {
        parts.push(headers.get(column.name) as Uint8Array)
        if (column.storage === 'name') {
          const ids = batch[column.name as 'src_vm']
          dictionary.encode(ids, batch.n, (id) => names[id] ?? '', parts)
          continue
        }
        const bytes = batch.columnBytes(column.name)
        if (column.format === 'enum') zeroUnknown(bytes, column)
        else if (column.format === 'boolean')
          for (let i = 0; i < bytes.length; i++) if ((bytes[i] as number) > 1) bytes[i] = 1
        parts.push(bytes)
      }
      return parts
    },
  }
}

/** The block of a batch of counters. A source that is no address is stored as `::`. */
export function encodeMetrics(batch: MetricBatch): Uint8Array[] {
  const n = batch.n
  const time = new BigInt64Array(n)
  const source = new Uint8Array(n * 16)
  const observation = new Uint32Array(n)
  const value = new Float64Array(n)
  const addresses = new Map<string, Uint8Array>()
  for (let i = 0; i < n; i++) {
    time[i] = BigInt(Math.trunc(batch.time[i] as number))
    const text = batch.source[i] as string
    let address = addresses.get(text)
    if (!address) {
      address = parseIp(text) ?? new Uint8Array(16)
      addresses.set(text, address)
    }
    source.set(address, i * 16)
    observation[i] = batch.observation[i] as number
    value[i] = batch.value[i] as number
  }
  const data: Uint8Array[][] = [
    [bytesOf(time)],
    [source],
    [bytesOf(observation)],
    stringDictionary(batch.entity, n),
    stringDictionary(batch.metric, n),
    [bytesOf(value)],
  ]
  const parts: Uint8Array[] = [blockHeader(METRIC_COLUMNS.length, n)]
  for (const [i, column] of METRIC_COLUMNS.entries()) parts.push(columnHeader(column), ...(data[i] as Uint8Array[]))
  return parts
}

function zeroUnknown(bytes: Uint8Array, column: ColumnDefinition): void {
  const known = new Uint8Array(256)
  for (const value of Object.keys(column.values ?? {})) known[Number(value)] = 1
  for (let i = 0; i < bytes.length; i++) if (known[bytes[i] as number] === 0) bytes[i] = 0
}

interface Dictionary {
  open(ids: number): void
  encode(ids: Uint32Array, n: number, text: (id: number) => string, parts: Uint8Array[]): void
}

/** Numbers the ids that a block really uses: a name table of thousands costs nothing where ten of them occur. */
function createDictionary(): Dictionary {
  let places = new Uint32Array(0)
  let unknown = 0
  return {
    open(ids) {
      if (places.length < ids + 1) places = new Uint32Array((ids + 1) * 2)
      unknown = ids
    },
    encode(ids, n, text, parts) {
      const used: number[] = []
      const indexes = new Uint32Array(n)
      for (let i = 0; i < n; i++) {
        const given = ids[i] as number
        const id = given < unknown ? given : unknown
        let place = places[id] as number
        if (place === 0) {
          used.push(id)
          place = used.length
          places[id] = place
        }
        indexes[i] = place - 1
      }
      for (const id of used) places[id] = 0
      pushDictionary(used.map(text), indexes, parts)
    },
  }
}

function stringDictionary(values: readonly string[], n: number): Uint8Array[] {
  const places = new Map<string, number>()
  const indexes = new Uint32Array(n)
  for (let i = 0; i < n; i++) {
    const value = values[i] as string
    let place = places.get(value)
    if (place === undefined) {
      place = places.size
      places.set(value, place)
    }
    indexes[i] = place
  }
  const parts: Uint8Array[] = []
  pushDictionary([...places.keys()], indexes, parts)
  return parts
}

function pushDictionary(keys: readonly string[], indexes: Uint32Array, parts: Uint8Array[]): void {
  const width = keys.length <= 0x100 ? 0 : keys.length <= 0x10000 ? 1 : 2
  const head = Buffer.alloc(24)
  head.writeUInt32LE(1, 0)
  head.writeUInt32LE(width | KEYS_FOLLOW | NEW_DICTIONARY, 8)
  head.writeUInt32LE(keys.length, 16)
  const rows = Buffer.alloc(8)
  rows.writeUInt32LE(indexes.length, 0)
  const narrow = width === 0 ? Uint8Array.from(indexes) : width === 1 ? Uint16Array.from(indexes) : indexes
  parts.push(head, Buffer.concat(keys.map(lengthAndText)), rows, bytesOf(narrow))
}

function blockHeader(columns: number, rows: number): Uint8Array {
  return Buffer.concat([varint(columns), varint(rows)])
}

function columnHeader(column: NamedType): Uint8Array {
  return Buffer.concat([lengthAndText(column.name), lengthAndText(column.type)])
}

function lengthAndText(text: string): Uint8Array {
  const bytes = Buffer.from(text, 'utf8')
  return Buffer.concat([varint(bytes.length), bytes])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push((rest & 0x7f) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function bytesOf(array: Uint8Array | Uint16Array | Uint32Array | BigInt64Array | Float64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
}
