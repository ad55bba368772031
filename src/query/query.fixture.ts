import { columnNamed } from '../flow/columns.ts'
import { LOCAL_HOME, type Home } from '../store/home.ts'
import { quoted } from '../store/literal.ts'
import type { Store } from '../store/store.ts'

// Rows for tests, given as what matters of them; the rest is as a decoder leaves it.

export type FlowRow = Readonly<Record<string, string | number | boolean>>

const USUAL: FlowRow = {
  exporter: '192.0.2.1',
  protocol: 'sflow',
  sampling_rate: 1,
  bytes: 1000,
  packets: 1,
  counted: true,
}

/** The table to insert into: of a cluster that of one shard. */
export function flowsTable(store: Store & { readonly home?: Home }): string {
  return (store.home ?? LOCAL_HOME).stored('flows')
}

/** Puts the rows into the table. Times are milliseconds, addresses and names text. */
export async function insertRows(store: Store, rows: readonly FlowRow[]): Promise<void> {
  const table = flowsTable(store)
  for (const row of rows) {
    const full: FlowRow = {
      time_start: row['time_received'] ?? 0,
      time_end: row['time_received'] ?? 0,
      ...USUAL,
      ...row,
    }
    const names = Object.keys(full)
    const values = names.map((name) => literal(name, full[name] as string | number | boolean))
    await store.execute(`INSERT INTO ${table} (${names.join(', ')}) SELECT ${values.join(', ')}`)
  }
}

function literal(name: string, value: string | number | boolean): string {
  const column = columnNamed(name)
  if (column?.format === 'time') return `fromUnixTimestamp64Milli(toInt64(${value}), 'UTC')`
  if (column?.format === 'ip')
    return `toIPv6(${quoted(String(value).includes(':') ? String(value) : `::ffff:${value}`)})`
  return typeof value === 'string' ? quoted(value) : String(value)
}
