import { constants, zstdCompressSync } from 'node:zlib'
import type { KeyValue } from './contract/query.ts'
import { Thrift, varint } from './thrift.ts'

// A column of a row group: its values in one page, and before it a page of the different texts where most of them come again.
//
//   column chunk = (PageHeader  dictionary)?  PageHeader (Thrift compact)  page
//   page, packed by zstd = definition levels  values, or numbers of texts in the dictionary
//
// apache/parquet-format: Encodings.md (PLAIN, RLE, RLE_DICTIONARY), Compression.md, parquet.thrift.

/** Physical types of parquet.thrift. */
export const TYPE = { BOOLEAN: 0, INT64: 2, DOUBLE: 5, BYTE_ARRAY: 6 } as const
export const PLAIN = 0
export const RLE = 3
export const RLE_DICTIONARY = 8
export const ZSTD = 6
const DATA_PAGE = 0
const DICTIONARY_PAGE = 2

/** Quick: exports are bound by what makes the rows. */
const PACKING = { params: { [constants.ZSTD_c_compressionLevel]: 1 } }
/** A dictionary is worth it if no more than one text in so many is another one. */
const LEAST_REPEATED = 2

export interface Chunk {
  readonly bytes: Buffer
  /** Bytes of the dictionary's page with its header; 0 if there is none. */
  readonly dictionary: number
  readonly packed: number
  readonly unpacked: number
}

type Rows = readonly (readonly KeyValue[])[]

/** The values at one place of each row; a missing one is null. */
export function chunkOf(type: number, rows: Rows, at: number): Chunk {
  const levels = definitionLevels(rows, at)
  if (type === TYPE.BYTE_ARRAY) return textChunk(levels, rows, at)
  return joined([dataPage(levels, numbers(type, rows, at), rows.length, PLAIN)])
}

interface Page {
  readonly bytes: readonly Buffer[]
  readonly packed: number
  readonly unpacked: number
}

function joined(pages: readonly Page[]): Chunk {
  return {
    bytes: Buffer.concat(pages.flatMap(({ bytes }) => bytes)),
    dictionary: pages.length > 1 ? (pages[0] as Page).packed : 0,
    packed: pages.reduce((sum, { packed }) => sum + packed, 0),
    unpacked: pages.reduce((sum, { unpacked }) => sum + unpacked, 0),
  }
}

function page(body: Buffer, type: number, describe: (header: Thrift) => Thrift): Page {
  const packed = zstdCompressSync(body, PACKING)
  const header = describe(new Thrift().i32(1, type).i32(2, body.length).i32(3, packed.length)).end()
  return {
    bytes: [header, packed],
    packed: header.length + packed.length,
    unpacked: header.length + body.length,
  }
}

function dataPage(levels: Buffer, values: Buffer, count: number, encoding: number): Page {
  return page(Buffer.concat([levels, values]), DATA_PAGE, (header) =>
    header.struct(5, (data) => data.i32(1, count).i32(2, encoding).i32(3, RLE).i32(4, RLE)),
  )
}

/** One bit a row, 1 if it has a value: a single run, its length in bytes before it. */
function definitionLevels(rows: Rows, at: number): Buffer {
  const isThere = new Uint8Array(Math.ceil(rows.length / 8))
  let there = 0
  for (let row = 0; row < rows.length; row++) {
    if (isMissing(rows[row] as readonly KeyValue[], at)) continue
    there++
    isThere[row >> 3] = (isThere[row >> 3] as number) | (1 << (row & 7))
  }
  const run =
    there === rows.length
      ? Buffer.from([...varint(BigInt(rows.length * 2)), 1])
      : Buffer.concat([Buffer.from(varint(BigInt(isThere.length * 2 + 1))), isThere])
  const length = Buffer.alloc(4)
  length.writeUInt32LE(run.length)
  return Buffer.concat([length, run])
}

function isMissing(row: readonly KeyValue[], at: number): boolean {
  return row[at] === null || row[at] === undefined
}

function numbers(type: number, rows: Rows, at: number): Buffer {
  const bytes = new Uint8Array(rows.length * 8)
  const view = new DataView(bytes.buffer)
  let count = 0
  for (const row of rows) {
    const value = row[at]
    if (value === null || value === undefined) continue
    if (type === TYPE.BOOLEAN) {
      if (value) bytes[count >> 3] = (bytes[count >> 3] as number) | (1 << (count & 7))
    } else if (type === TYPE.DOUBLE) view.setFloat64(count * 8, Number(value), true)
    else {
      const whole = Math.round(Number(value))
      view.setInt32(count * 8, whole | 0, true)
      view.setInt32(count * 8 + 4, Math.floor(whole / 2 ** 32), true)
    }
    count++
  }
  return Buffer.from(bytes.buffer, 0, type === TYPE.BOOLEAN ? Math.ceil(count / 8) : count * 8)
}

function textChunk(levels: Buffer, rows: Rows, at: number): Chunk {
  const places = new Map<string, number>()
  const numbersOf = new Uint32Array(rows.length)
  const texts: string[] = []
  let count = 0
  for (const row of rows) {
    const value = row[at]
    if (value === null || value === undefined) continue
    const text = String(value)
    let place = places.get(text)
    if (place === undefined) {
      place = places.size
      places.set(text, place)
    }
    numbersOf[count++] = place
    texts.push(text)
  }
  if (count === 0 || places.size * LEAST_REPEATED > count)
    return joined([dataPage(levels, plainTexts(texts), rows.length, PLAIN)])
  const dictionary = page(plainTexts([...places.keys()]), DICTIONARY_PAGE, (header) =>
    header.struct(7, (data) => data.i32(1, places.size).i32(2, PLAIN)),
  )
  const bits = Math.max(1, 32 - Math.clz32(places.size - 1))
  return joined([dictionary, dataPage(levels, packedNumbers(numbersOf, count, bits), rows.length, RLE_DICTIONARY)])
}

/** Each with its length in bytes before it. */
function plainTexts(texts: readonly string[]): Buffer {
  // A UTF-16 unit takes at most three bytes.
  const bytes = Buffer.allocUnsafe(texts.reduce((sum, text) => sum + 4 + 3 * text.length, 0))
  let at = 0
  for (const text of texts) {
    const length = bytes.write(text, at + 4)
    bytes.writeUInt32LE(length, at)
    at += 4 + length
  }
  return bytes.subarray(0, at)
}

/** The width in bits, then one run of numbers of so many bits, the lowest bit first, filled up to a multiple of eight numbers. */
function packedNumbers(values: Uint32Array, count: number, bits: number): Buffer {
  const groups = Math.ceil(count / 8)
  const head = [bits, ...varint(BigInt(groups * 2 + 1))]
  const bytes = new Uint8Array(head.length + groups * bits)
  bytes.set(head)
  let at = head.length
  let held = 0
  let holds = 0
  for (let i = 0; i < count; i++) {
    held |= (values[i] as number) << holds
    holds += bits
    while (holds >= 8) {
      bytes[at++] = held & 255
      held >>>= 8
      holds -= 8
    }
  }
  if (holds > 0) bytes[at] = held & 255
  return Buffer.from(bytes.buffer)
}
