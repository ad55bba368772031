import type { KeyValue } from './contract/query.ts'
import type { CellType, Table } from './table.ts'

// Tables as Parquet files: of each row group one plain, uncompressed page a column, every column optional. A file is written
// group by group, so that it may be larger than what is held.
//
//   "PAR1"  (column chunk …) of each group …  FileMetaData (Thrift compact)  u32 its length  "PAR1"
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
}

interface Group {
  readonly rows: number
  /** Of each column's chunk, in the file. */
  readonly offsets: readonly number[]
  readonly lengths: readonly number[]
}

export interface ParquetColumn {
  readonly name: string
  /** `whole` numbers are 64-bit integers, others doubles. */
  readonly type: CellType | 'whole'
}

export interface ParquetWriter {
  /** The bytes that come next in the file for these rows, in the order of the columns. */
  group(rows: readonly (readonly KeyValue[])[]): Buffer
  /** The last bytes of the file. */
  end(): Buffer
}

const TYPE_OF = { boolean: TYPE.BOOLEAN, text: TYPE.BYTE_ARRAY, whole: TYPE.INT64, number: TYPE.DOUBLE } as const

export function createParquetWriter(given: readonly ParquetColumn[]): ParquetWriter {
  const columns = given.map(({ name, type }): Column => ({ name, type: TYPE_OF[type] }))
  const groups: Group[] = []
  let at = 0

  function group(rows: readonly (readonly KeyValue[])[]): Buffer {
    const parts: Buffer[] = at === 0 ? [MAGIC] : []
    at ||= MAGIC.length
    if (rows.length === 0) return Buffer.concat(parts)
    const offsets: number[] = []
    const lengths: number[] = []
    for (const [i, column] of columns.entries()) {
      const chunk = chunkOf(
        column.type,
        rows.map((row) => row[i] ?? null),
      )
      offsets.push(at)
      lengths.push(chunk.length)
      at += chunk.length
      parts.push(chunk)
    }
    groups.push({ rows: rows.length, offsets, lengths })
    return Buffer.concat(parts)
  }

  return {
    group,
    end() {
      const footer = fileMetaData(columns, groups)
      const length = Buffer.alloc(4)
      length.writeUInt32LE(footer.length)
      return Buffer.concat([group([]), footer, length, MAGIC])
    },
  }
}

export function parquet(table: Table): Buffer {
  const columns = table.columns.map(({ name, type }, i): ParquetColumn => {
    const isWhole = table.rows.every((row) => row[i] === null || row[i] === undefined || Number.isSafeInteger(row[i]))
    return { name, type: type === 'number' && isWhole ? 'whole' : type }
  })
  const writer = createParquetWriter(columns)
  return Buffer.concat([writer.group(table.rows), writer.end()])
}

function chunkOf(type: number, values: readonly KeyValue[]): Buffer {
  const there = values.filter((value) => value !== null)
  const page = Buffer.concat([definitionLevels(values), plain(type, there)])
  const header = new Thrift()
  header.i32(1, DATA_PAGE).i32(2, page.length).i32(3, page.length)
  header.struct(5, (data) => data.i32(1, values.length).i32(2, PLAIN).i32(3, RLE).i32(4, RLE))
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
    if (type === TYPE.INT64) bytes.writeBigInt64LE(BigInt.asIntN(64, BigInt(Math.round(Number(value)))), i * 8)
    else bytes.writeDoubleLE(Number(value), i * 8)
  }
  return bytes
}

function fileMetaData(columns: readonly Column[], groups: readonly Group[]): Buffer {
  const root = (element: Thrift): Thrift => element.text(4, 'schema').i32(5, columns.length)
  const leaf =
    (column: Column) =>
    (element: Thrift): Thrift => {
      element.i32(1, column.type).i32(3, OPTIONAL).text(4, column.name)
      return column.type === TYPE.BYTE_ARRAY ? element.i32(6, UTF8) : element
    }
  const chunk =
    ({ rows, offsets, lengths }: Group) =>
    (column: Column, i: number) =>
    (out: Thrift): Thrift => {
      const length = lengths[i] as number
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
  const rowGroup =
    (group: Group) =>
    (out: Thrift): Thrift =>
      out
        .structs(1, columns.map(chunk(group)))
        .i64(2, sum(group.lengths))
        .i64(3, group.rows)
  return new Thrift()
    .i32(1, 1)
    .structs(2, [root, ...columns.map(leaf)])
    .i64(3, sum(groups.map((group) => group.rows)))
    .structs(4, groups.map(rowGroup))
    .text(6, 'vnetscope')
    .end()
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
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
