import type { KeyValue } from './contract/query.ts'
import { chunkOf, PLAIN, RLE, RLE_DICTIONARY, TYPE, ZSTD, type Chunk } from './parquet-chunk.ts'
import type { CellType, Table } from './table.ts'
import { Thrift } from './thrift.ts'

// Tables as Parquet files: of each row group one chunk a column (parquet-chunk.ts), every column optional. A file is written group by
// group, so that it may be larger than what is held.
//
//   "PAR1"  (column chunk …) of each group …  FileMetaData (Thrift compact)  u32 its length  "PAR1"
//
// apache/parquet-format: README.md, Encodings.md (PLAIN, RLE), parquet.thrift; Thrift compact protocol.

const MAGIC = Buffer.from('PAR1')
const OPTIONAL = 1
const UTF8 = 0

interface Column {
  readonly name: string
  readonly type: number
}

interface Group {
  readonly rows: number
  /** Of each column's chunk, in the file. */
  readonly offsets: readonly number[]
  readonly chunks: readonly Omit<Chunk, 'bytes'>[]
}

export interface ParquetColumn {
  readonly name: string
  /** `whole` numbers are 64-bit integers, others doubles. */
  readonly type: CellType
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
    const chunks: Omit<Chunk, 'bytes'>[] = []
    for (const [i, column] of columns.entries()) {
      const { bytes, ...chunk } = chunkOf(column.type, rows, i)
      offsets.push(at)
      chunks.push(chunk)
      at += bytes.length
      parts.push(bytes)
    }
    groups.push({ rows: rows.length, offsets, chunks })
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
  const writer = createParquetWriter(table.columns)
  return Buffer.concat([writer.group(table.rows), writer.end()])
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
    ({ rows, offsets, chunks }: Group) =>
    (column: Column, i: number) =>
    (out: Thrift): Thrift => {
      const { dictionary, packed, unpacked } = chunks[i] as Omit<Chunk, 'bytes'>
      const offset = offsets[i] as number
      return out.i64(2, offset).struct(3, (meta) => {
        meta
          .i32(1, column.type)
          .i32s(2, dictionary > 0 ? [PLAIN, RLE, RLE_DICTIONARY] : [PLAIN, RLE])
          .texts(3, [column.name])
          .i32(4, ZSTD)
          .i64(5, rows)
          .i64(6, unpacked)
          .i64(7, packed)
          .i64(9, offset + dictionary)
        return dictionary > 0 ? meta.i64(11, offset) : meta
      })
    }
  const rowGroup =
    (group: Group) =>
    (out: Thrift): Thrift =>
      out
        .structs(1, columns.map(chunk(group)))
        .i64(2, sum(group.chunks.map(({ unpacked }) => unpacked)))
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
