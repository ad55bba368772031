import { LOCAL_HOME } from './home.ts'
import type { QueryAnswer } from './store.ts'
import { schemaStatements, TABLES, tableSettings, timeToLive, type SchemaOptions } from './schema.ts'

interface Statements {
  execute(sql: string): Promise<void>
  query(sql: string): Promise<QueryAnswer>
}

/** Brings the tables to what this version expects: makes the missing, adds new columns, widens types, follows the configured age and size. */
export async function migrate(store: Statements, options: SchemaOptions): Promise<void> {
  const home = options.home ?? LOCAL_HOME
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
    const stored = home.stored(table.name)
    for (const column of table.columns) {
      const type = types.get(`${stored}.${column.name}`)
      if (type === column.type) continue
      const verb = type === undefined ? 'ADD' : 'MODIFY'
      const change = `${verb} COLUMN ${column.name} ${column.type} ${column.codec}`
      for (const statement of home.alterColumn(table.name, change)) await store.execute(statement)
    }
    const age = timeToLive(table, options.keepDays)
    if (!ddl.get(stored)?.includes(age))
      await store.execute(`ALTER TABLE ${stored}${home.on} MODIFY TTL ${age} SETTINGS materialize_ttl_after_modify = 0`)
    for (const setting of tableSettings(options)) {
      if (!ddl.get(stored)?.includes(setting))
        await store.execute(`ALTER TABLE ${stored}${home.on} MODIFY SETTING ${setting}`)
    }
  }
}
