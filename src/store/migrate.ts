import { OperatorError } from '../base/errors.ts'
import { LOCAL_HOME, type Home } from './home.ts'
import {
  ARRIVALS,
  arrivalsStatements,
  arrivalsView,
  beginOf,
  DROPPED,
  ROLLED,
  ROLLING,
  rollupDefinitions,
  SCRATCH_TABLES,
} from './rollup-tables.ts'
import { below } from './roll-book.ts'
import { wholeTableStatement } from './roll-sql.ts'
import { LEVELS, ROLLUP_TABLES, ROLLUPS, rollupTable, SUM_COLUMNS } from './rollups.ts'
import {
  computedOf,
  computedSql,
  createTable,
  SCHEMA_VERSION,
  schemaStatements,
  TABLES,
  tableSettings,
  timeToLive,
  versionStatement,
  type SchemaOptions,
  type TableDefinition,
} from './schema.ts'
import type { QueryAnswer } from './store.ts'

interface Statements {
  execute(sql: string): Promise<void>
  query(sql: string): Promise<QueryAnswer>
}

/**
 * Brings the tables to what this version expects, from any released one: makes the missing, adds new columns, widens
 * types, follows the configured age and size. Each step looks at what is there, so that one which a crash cut short is
 * made again at the next start; the version is noted last. Rollups of what is there are built later, by the roller.
 *
 * Version 1: `flows`, `metrics`. Version 2: rollups, `arrivals` and `rolled`; no TTL outside of clusters. Version 3:
 * the rollup of segments, made of that of traffic; the slot of flows; sums of rollups in LZ4. Version 4: the level of six
 * hours, which the roller makes of hours; pieces of minutes.
 */
export async function migrate(store: Statements, options: SchemaOptions): Promise<void> {
  const home = options.home ?? LOCAL_HOME
  const version = await versionOf(store)
  refuseNewer(version)
  for (const statement of schemaStatements(options)) await store.execute(statement)
  if (home === LOCAL_HOME) {
    await makeRollups(store, options)
    if (version === 2) {
      await compressSums(store)
      await fillMadeOf(store)
    }
  } else await makeSharedRollups(store, options, home)
  await alter(store, [...TABLES, ...rollupDefinitions(home), ARRIVALS, ROLLED, DROPPED], options)
  await store.execute(versionStatement(options))
}

async function tableNames(store: Statements): Promise<Set<string>> {
  const { rows } = await store.query(`SELECT name FROM system.tables WHERE database = currentDatabase()`)
  return new Set(rows.map(([name]) => name as string))
}

/** 0 of a store that is empty. */
async function versionOf(store: Statements): Promise<number> {
  if (!(await tableNames(store)).has('schema_version')) return 0
  const { rows } = await store.query('SELECT max(version) FROM schema_version')
  return Number(rows[0]?.[0] ?? 0)
}

/** What a later version has written may be read wrongly by this one. */
function refuseNewer(version: number): void {
  if (version <= SCHEMA_VERSION) return
  throw new OperatorError(
    'store_version',
    `the store was written by a later version of vnetscope (schema ${version}; this one knows up to ${SCHEMA_VERSION})`,
    { hint: 'use that version, or restore a backup from before' },
  )
}

/** Of parts that are written from now on. */
async function compressSums(store: Statements): Promise<void> {
  const changes = SUM_COLUMNS.map(({ name, codec }) => `MODIFY COLUMN ${name} ${codec}`).join(', ')
  for (const rollup of ROLLUPS)
    for (const level of LEVELS) await store.execute(`ALTER TABLE ${rollupTable(rollup, level)} ${changes}`)
}

/** Units that are noted as built have no rows yet in rollups that came later; these are made of others' rows. */
async function fillMadeOf(store: Statements): Promise<void> {
  for (const rollup of ROLLUPS.filter(({ madeOf }) => madeOf !== undefined))
    for (const level of LEVELS) {
      await store.execute(`TRUNCATE TABLE ${rollupTable(rollup, level)}`)
      await store.execute(wholeTableStatement(rollup, level))
    }
}

async function makeRollups(store: Statements, options: SchemaOptions): Promise<void> {
  const create = (table: TableDefinition): string => createTable(table, options)
  for (const table of [...rollupDefinitions(LOCAL_HOME), ROLLED, DROPPED]) await store.execute(create(table))
  for (const table of SCRATCH_TABLES) await store.execute(`DROP TABLE IF EXISTS ${table}`)
  for (const statement of arrivalsStatements(await tableNames(store), create)) await store.execute(statement)
}

/**
 * Flows go on coming meanwhile, so those that are there cannot be counted exactly: where there are some, rollups begin
 * with the next whole day. So does, in questions, a rollup that comes later than others: of the units that are built it has
 * no rows.
 */
async function makeSharedRollups(store: Statements, options: SchemaOptions, home: Home): Promise<void> {
  const there = await tableNames(store)
  const isThere = ({ name }: TableDefinition): boolean => there.has(name) && there.has(home.stored(name))
  const rollups = rollupDefinitions(home)
  for (const table of [ARRIVALS, ROLLED, DROPPED, ROLLING, ...rollups]) {
    if (isThere(table)) continue
    // Told first: what its level is built of counts as built in each table.
    if (there.has('count_arrivals')) {
      if (levelOf(table).some((name) => there.has(name))) await beginLater(store, home, [beginOf(table.name)])
      else await beginAsBelow(store, home, table)
    }
    for (const statement of [createTable(table, options), ...home.spread(table.name)]) await store.execute(statement)
  }
  if (there.has('count_arrivals')) return
  // A shard that is added to a cluster has no flows yet, and the others count theirs.
  const { rows } = await store.query(
    'SELECT (SELECT count() FROM (SELECT 1 FROM flows LIMIT 1)), (SELECT count() FROM (SELECT 1 FROM arrivals LIMIT 1))',
  )
  const [flows, counted] = (rows[0] ?? []).map(Number)
  if (flows !== 0 && counted === 0)
    await beginLater(
      store,
      home,
      rollups.map(({ name }) => name),
    )
  await store.execute(arrivalsView(home))
}

/** Tables of the rollups of the level of one of them; none of another table. */
function levelOf({ name }: TableDefinition): readonly string[] {
  const level = ROLLUP_TABLES.find((table) => table.name === name)?.level
  return ROLLUP_TABLES.filter((table) => table.level === level).map((table) => table.name)
}

/** Notes that of tables nothing is there before the next day. */
async function beginLater(store: Statements, home: Home, names: readonly string[]): Promise<void> {
  const list = names.map((name) => `'${name}'`).join(', ')
  await store.execute(
    `INSERT INTO ${home.stored(DROPPED.name)} SELECT arrayJoin([${list}]), toDateTime(toStartOfDay(now('UTC')) + toIntervalDay(1), 'UTC')`,
  )
}

/** Where there were flows before they were counted, a level that comes later begins with what it is made of. */
async function beginAsBelow(store: Statements, home: Home, { name }: TableDefinition): Promise<void> {
  const table = ROLLUP_TABLES.find((one) => one.name === name)
  const finer = table && below(table.level)
  if (!table || finer === undefined) return
  await store.execute(
    `INSERT INTO ${home.stored(DROPPED.name)} SELECT '${name}', max(until) FROM dropped WHERE table = '${rollupTable(table.rollup, finer)}' HAVING count() > 0`,
  )
}

async function alter(store: Statements, tables: readonly TableDefinition[], options: SchemaOptions): Promise<void> {
  const home = options.home ?? LOCAL_HOME
  const there = await store.query(`SELECT table, name, type FROM system.columns WHERE database = currentDatabase()`)
  const types = new Map(
    there.rows.map(([table, name, type]) => [`${table as string}.${name as string}`, type as string]),
  )
  const made = await store.query(
    `SELECT name, create_table_query FROM system.tables WHERE database = currentDatabase()`,
  )
  const ddl = new Map(made.rows.map(([name, sql]) => [name as string, sql as string]))
  for (const table of tables) {
    const stored = home.stored(table.name)
    for (const column of table.columns) {
      const type = types.get(`${stored}.${column.name}`)
      if (type === column.type) continue
      const verb = type === undefined ? 'ADD' : 'MODIFY'
      const change = `${verb} COLUMN ${column.name} ${column.type} ${column.codec}`
      for (const statement of home.alterColumn(table.name, change)) await store.execute(statement)
    }
    for (const column of computedOf(table, home))
      if (!types.has(`${stored}.${column.name}`))
        await store.execute(`ALTER TABLE ${stored} ADD COLUMN ${computedSql(column)}`)
    const age = timeToLive(table, options)
    const isAging = / TTL |\nTTL /.test(ddl.get(stored) ?? '')
    if (home === LOCAL_HOME || age === undefined) {
      if (isAging) await store.execute(`ALTER TABLE ${stored}${home.on} REMOVE TTL`)
    } else if (!ddl.get(stored)?.includes(age))
      await store.execute(`ALTER TABLE ${stored}${home.on} MODIFY TTL ${age} SETTINGS materialize_ttl_after_modify = 0`)
    for (const setting of tableSettings(table.name, options)) {
      if (!new RegExp(`\\b${setting}\\b`).test(ddl.get(stored) ?? ''))
        await store.execute(`ALTER TABLE ${stored}${home.on} MODIFY SETTING ${setting}`)
    }
  }
}
