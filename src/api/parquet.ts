import type { Table } from './table.ts'

export function parquet(table: Table): Buffer {
  return Buffer.from(JSON.stringify(table))
}
