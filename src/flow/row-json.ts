import { ipText, macText } from '../base/address.ts'
import { COLUMNS, type ColumnDefinition } from './columns.ts'
import type { FlowBatch } from './flow-batch.ts'

export type RowJson = Record<string, string | number | boolean>

/**
 * One row of a batch as plain values, every column by its name: times as ISO 8601 with milliseconds, addresses and MACs as text, enums by
 * their word, 64-bit counts as numbers (above 2^53 as decimal strings).
 * @param names the name table that travels with the batch; without it the columns of names are left out.
 */
export function rowAsJson(batch: FlowBatch, row: number, names?: readonly string[]): RowJson {
  const json: RowJson = {}
  for (const column of COLUMNS) {
    if (column.storage === 'name' && !names) continue
    json[column.name] = cellAsJson(batch, column, row, names)
  }
  return json
}

/** One value of a row, as `rowAsJson` has it. */
export function cellAsJson(
  batch: FlowBatch,
  column: ColumnDefinition,
  row: number,
  names: readonly string[] | undefined,
): string | number | boolean {
  const array = batch[column.name as keyof FlowBatch] as Uint8Array | Uint16Array | Uint32Array
  const word = (at: number): number => array[at] as number
  switch (column.storage) {
    case 'u8':
    case 'u16':
    case 'u32':
      if (column.format === 'boolean') return word(row) !== 0
      return column.values?.[word(row)] ?? word(row)
    case 'u64':
      return column.format === 'time'
        ? isoTime(word(2 * row), word(2 * row + 1))
        : wide(word(2 * row), word(2 * row + 1))
    case 'mac':
      return macText(word(2 * row + 1) * 0x1_0000_0000 + word(2 * row))
    case 'ip':
      return ipText(new Uint8Array(array.buffer, array.byteOffset + 16 * row, 16))
    case 'name':
      return names?.[word(row)] ?? ''
  }
}

function wide(low: number, high: number): number | string {
  return high < 0x20_0000 ? high * 0x1_0000_0000 + low : ((BigInt(high) << 32n) | BigInt(low)).toString()
}

function isoTime(low: number, high: number): string {
  const date = new Date(high * 0x1_0000_0000 + low)
  // Beyond what a Date can hold an exporter's clock is plainly wrong: shown as the number that it is.
  return Number.isNaN(date.getTime()) ? String(wide(low, high)) : date.toISOString()
}
