import type { KeyValue } from './contract/query.ts'
import type { Table } from './table.ts'

// A table as a Parquet file: one row group, one plain, uncompressed page a column, every column optional.
//
//   "PAR1"  column chunk …  FileMetaData (Thrift compact)  u32 its length  "PAR1"
//   column chunk = PageHeader (Thrift compact)  definition levels  values
//
// apache/parquet-format: README.md, Encodings.md (PLAIN, RLE), parquet.thrift; Thrift compact protocol.

const MAGIC = Buffer.from('PAR1')
/** Physical types of parquet.thrift. */
const TYPE = { BOOLEAN: 0, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 } as const
const OPTIONAL = 1
const UTF8 = 0
const PLAIN = 0
const RLE = 3
const UNCOMPRESSED = 0
const DATA_PAGE = 0

interface Column {
  readonly name: string
  readonly type: number
  readonly values: readonly KeyValue[]
}

export function parquet(table: Table): Buffer {
  const columns = table.columns.map(({ name, type }, i): Column => {
    const values = table.rows.map((row) => row[i] ?? null)
    if (type === 'boolean') return { name, type: TYPE.BOOLEAN, values }
    if (type === 'text') return { name, type: TYPE.BYTE_ARRAY, values }
    const isWhole = values.every((value) => value === null || Number.isSafeInteger(value))
    return { name, type: isWhole ? TYPE.INT64 : TYPE.DOUBLE, values }
  })
  const chunks = columns.map(chunkOf)
  const offsets: number[] = []
  let at = MAGIC.length
  for (const chunk of chunks) {
    offsets.push(at)
    at += chunk.length
  }
  const footer = fileMetaData(columns, chunks, offsets, table.rows.length)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer.length)
  return Buffer.concat([MAGIC, ...chunks, footer, length, MAGIC])
}

function chunkOf(column: Column): Buffer {
  const there = column.values.filter((value) => value !== null)
  const page = Buffer.concat([definitionLevels(column.values), plain(column.type, there)])
  const header = new Thrift()
  header.i32(1, DATA_PAGE).i32(2, page.length).i32(3, page.length)
  header.struct(5, (data) => data.i32(1, column.values.length).i32(2, PLAIN).i32(3, RLE).i32(4, RLE))
  return Buffer.concat([header.end(), page])
}

/** One bit a row, 1 if it has a value: a single bit-packed run, its length in bytes before it. */
function definitionLevels(values: readonly KeyValue[]): Buffer {
  const groups = Math.ceil(values.length / 8)
  const bits = packed(values.map((value) => value !== null))
  const run = Buffer.concat([Buffer.from(varint(BigInt(groups * 2 + 1))), bits])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(run.length)
  return Buffer.concat([length, run])
}

function packed(flags: readonly boolean[]): Buffer {
  const bytes = Buffer.alloc(Math.ceil(flags.length / 8))
  for (const [i, flag] of flags.entries()) if (flag) bytes[i >> 3] = (bytes[i >> 3] as number) | (1 << (i & 7))
  return bytes
}

function plain(type: number, values: readonly KeyValue[]): Buffer {
  if (type === TYPE.BOOLEAN) return packed(values.map(Boolean))
  if (type === TYPE.BYTE_ARRAY) {
    return Buffer.concat(
      values.flatMap((value) => {
        const text = Buffer.from(String(value))
        const length = Buffer.alloc(4)
        length.writeUInt32LE(text.length)
        return [length, text]
      }),
    )
  }
  const bytes = Buffer.alloc(values.length * 8)
  for (const [i, value] of values.entries()) {
    if (type === TYPE.INT64) bytes.writeBigInt64LE(BigInt(value as number), i * 8)
    else bytes.writeDoubleLE(Number(value), i * 8)
  }
  return bytes
}

function fileMetaData(
  columns: readonly Column[],
  chunks: readonly Buffer[],
  offsets: readonly number[],
  rows: number,
): Buffer {
  const file = new Thrift()
  const root = (element: Thrift): Thrift => element.text(4, 'schema').i32(5, columns.length)
  const leaf =
    (column: Column) =>
    (element: Thrift): Thrift => {
      element.i32(1, column.type).i32(3, OPTIONAL).text(4, column.name)
      return column.type === TYPE.BYTE_ARRAY ? element.i32(6, UTF8) : element
    }
  file
    .i32(1, 1)
    .structs(2, [root, ...columns.map(leaf)])
    .i64(3, rows)
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const chunk =
    (column: Column, i: number) =>
    (out: Thrift): Thrift => {
      const length = (chunks[i] as Buffer).length
      const offset = offsets[i] as number
      return out
        .i64(2, offset)
        .struct(3, (meta) =>
          meta
            .i32(1, column.type)
            .i32s(2, [PLAIN, RLE])
            .texts(3, [column.name])
            .i32(4, UNCOMPRESSED)
            .i64(5, rows)
            .i64(6, length)
            .i64(7, length)
            .i64(9, offset),
        )
    }
  file.structs(4, rows === 0 ? [] : [(group) => group.structs(1, columns.map(chunk)).i64(2, size).i64(3, rows)])
  return file.text(6, 'vnetscope').end()
}

const I32 = 5
const I64 = 6
const BINARY = 8
const LIST = 9
const STRUCT = 12

/** A struct of Thrift's compact protocol, field by field in rising order. */
class Thrift {
  private readonly bytes: number[] = []
  private last = 0

  i32(id: number, value: number): this {
    return this.field(id, I32).varint(value)
  }

  i64(id: number, value: number): this {
    return this.field(id, I64).varint(value)
  }

  text(id: number, value: string): this {
    return this.field(id, BINARY).raw(value)
  }

  struct(id: number, fill: (inner: Thrift) => Thrift): this {
    this.field(id, STRUCT)
    return this.append(fill(new Thrift()).end())
  }

  structs(id: number, fills: readonly ((inner: Thrift) => Thrift)[]): this {
    this.list(id, STRUCT, fills.length)
    for (const fill of fills) this.append(fill(new Thrift()).end())
    return this
  }

  i32s(id: number, values: readonly number[]): this {
    this.list(id, I32, values.length)
    for (const value of values) this.varint(value)
    return this
  }

  texts(id: number, values: readonly string[]): this {
    this.list(id, BINARY, values.length)
    for (const value of values) this.raw(value)
    return this
  }

  end(): Buffer {
    return Buffer.from([...this.bytes, 0])
  }

  private field(id: number, type: number): this {
    this.bytes.push(((id - this.last) << 4) | type)
    this.last = id
    return this
  }

  private list(id: number, type: number, size: number): void {
    this.field(id, LIST)
    if (size < 15) this.bytes.push((size << 4) | type)
    else this.bytes.push(0xf0 | type, ...varint(BigInt(size)))
  }

  /** Whole numbers are written zigzag. */
  private varint(value: number): this {
    this.bytes.push(...varint(BigInt(value) * 2n))
    return this
  }

  private raw(text: string): this {
    const bytes = Buffer.from(text)
    this.bytes.push(...varint(BigInt(bytes.length)))
    return this.append(bytes)
  }

  private append(bytes: Uint8Array): this {
    for (const byte of bytes) this.bytes.push(byte)
    return this
  }
}

function varint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return bytes
}
