import type { QueryAnswer } from './store.ts'
import { schemaStatements, TABLES, tableSettings, timeToLive, type SchemaOptions } from './schema.ts'

interface Statements {
  execute(sql: string): Promise<void>
  query(sql: string): Promise<QueryAnswer>
}

/** Brings the tables to what this version expects: makes the missing, adds new columns, widens types, follows the configured age and size. */
export async function migrate(store: Statements, options: SchemaOptions): Promise<void> {
  for (const statement of schemaStatements(options)) await store.execute(statement)
  const there = await store.query(`SELECT table, name, type FROM system.columns WHERE database = currentDatabase()`)
  const types = new Map(
    there.rows.map(([table, name, type]) => [`${table as string}.${name as string}`, type as string]),
  )
  const made = await store.query(
    `SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()`,
  )
  const ddl = new Map(made.rows.map(([name, sql]) => [name as string, sql as string]))
  for (const table of TABLES) {
    for (const column of table.columns) {
      const type = types.get(`${table.name}.${column.name}`)
      if (type === column.type) continue
      const verb = type === undefined ? 'ADD' : 'MODIFY'
      await store.execute(`ALTER TABLE ${table.name} ${verb} COLUMN ${column.name} ${column.type} ${column.codec}`)
    }
    const age = timeToLive(table, options.keepDays)
    if (!ddl.get(table.name)?.includes(age))
      await store.execute(`ALTER TABLE ${table.name} MODIFY TTL ${age} SETTINGS materialize_ttl_after_modify = 0`)
    for (const setting of tableSettings(options)) {
      if (!ddl.get(table.name)?.includes(setting))
        await store.execute(`ALTER TABLE ${table.name} MODIFY SETTING ${setting}`)
    }
  }
}
