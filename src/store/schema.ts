import { COLUMNS } from '../flow/columns.ts'
import { LOCAL_HOME, type Home } from './home.ts'
import { METRIC_COLUMNS } from './native.ts'
import { KEPT_TABLES, type Keep, type KeptKind } from './retention.ts'

// The tables, from the registry of columns. One row of `schema_version` a migration: migrations to come run where the
// greatest stored version is below their own.

export const SCHEMA_VERSION = 4

export interface TableDefinition {
  readonly name: string
  readonly columns: readonly { readonly name: string; readonly type: string; readonly codec: string }[]
  /** Column by whose day the table is partitioned and by which it ages. */
  readonly time: string
  readonly orderBy: string
  /** Default: the day of `time`. */
  readonly partitionBy?: string
  /** Default: MergeTree. */
  readonly engine?: string
  /** What the engine makes of a row itself, where the tables are in one place. */
  readonly computed?: readonly ComputedColumn[]
}

export interface ComputedColumn {
  readonly name: string
  readonly type: string
  readonly of: string
  readonly codec: string
}

/** Of a slot of flows, seconds. */
export const SLOT_SECONDS = 300

/**
 * The five minutes in which a row was received. Within them rows lie by exporter, so that receipt times are the largest
 * column of all and reading them costs more than most answers; slots lie in order and cost next to nothing.
 */
const SLOT: ComputedColumn = {
  name: 'slot',
  type: "DateTime('UTC')",
  of: 'toStartOfFiveMinutes(time_received)',
  codec: 'CODEC(ZSTD(1))',
}

/**
 * Order within a part: five minutes first, so that a time range skips the rest; then what makes neighbours alike,
 * which is what the size on disk depends on.
 */
export const FLOWS: TableDefinition = {
  name: 'flows',
  columns: COLUMNS,
  time: 'time_received',
  orderBy: 'toStartOfFiveMinutes(time_received), exporter, source_if, in_if, out_if',
  computed: [SLOT],
}

export const METRICS: TableDefinition = {
  name: 'metrics',
  columns: METRIC_COLUMNS,
  time: 'time',
  orderBy: 'metric, source, entity, observation, time',
}

/** Tables that rows are inserted into from outside. */
export const TABLES: readonly TableDefinition[] = [FLOWS, METRICS]

/** Blocks whose insert tokens a table remembers. A replay repeats at most the group that was under way. */
const DEDUPLICATION_WINDOW = 1000

export interface SchemaOptions {
  /** Days for which rows are kept. */
  readonly keepDays: number
  /** What is kept otherwise, by kind of table; rollups without an age are kept for ever. */
  readonly keep?: Readonly<Partial<Record<KeptKind, Keep>>>
  /** Greatest size of a merged part: retention by size drops whole parts. */
  readonly maxPartBytes: number
  /** Where the tables are. Default: all in one place. */
  readonly home?: Home
}

/**
 * In a cluster the engine itself drops what is too old. In one place the retention does, which does not believe a clock
 * that jumps; so tables there have no TTL. A DateTime ends in 2106; an age that leads beyond it would wrap, and delete everything at once. */
const LONGEST_DAYS = 25_000

/** Undefined of a table whose rows are kept for ever. */
export function timeToLive({ name, time }: TableDefinition, options: SchemaOptions): string | undefined {
  const days = name === 'rolling' ? 2 : daysKept(name, options)
  return days === undefined ? undefined : `toDateTime(${time}) + toIntervalDay(${Math.min(days, LONGEST_DAYS)})`
}

/** Days for which rows of a table are kept. */
export function daysKept(
  table: string,
  { keep, keepDays }: Pick<SchemaOptions, 'keep' | 'keepDays'>,
): number | undefined {
  const kind = KEPT_TABLES.get(table)
  if (kind === undefined) return undefined
  return keep?.[kind]?.days ?? (kind === 'flows' || kind === 'counters' ? keepDays : undefined)
}

export function createTable(table: TableDefinition, options: SchemaOptions): string {
  const home = options.home ?? LOCAL_HOME
  const given = table.columns.map((c) => `  ${c.name} ${c.type} ${c.codec}`)
  const columns = [...given, ...computedOf(table, home).map((c) => `  ${computedSql(c)}`)].join(',\n')
  const lives = home === LOCAL_HOME ? undefined : timeToLive(table, options)
  const age = lives === undefined ? '' : `\nTTL ${lives}`
  return `CREATE TABLE IF NOT EXISTS ${home.stored(table.name)}${home.on} (\n${columns}\n) ENGINE = ${home.engine(table.engine ?? 'MergeTree')}
PARTITION BY ${table.partitionBy ?? `toYYYYMMDD(${table.time})`}
ORDER BY (${table.orderBy})${age}
SETTINGS ${tableSettings(table.name, options).join(', ')}`
}

export function computedOf(table: TableDefinition, home: Home): readonly ComputedColumn[] {
  return home === LOCAL_HOME ? (table.computed ?? []) : []
}

/** As it stands in CREATE and ALTER. Rows from before it was added are computed when they are read. */
export function computedSql({ name, type, of, codec }: ComputedColumn): string {
  return `${name} ${type} MATERIALIZED ${of} ${codec}`
}

/**
 * Settings of each table. A part is flushed before its insert is answered, because the spool then deletes what it holds.
 * Merged parts are not, so the parts that they came from stay until the kernel has written them (the default here is 0 s).
 */
export function tableSettings(table: string, options: SchemaOptions): string[] {
  return [
    `non_replicated_deduplication_window = ${DEDUPLICATION_WINDOW}`,
    'ttl_only_drop_parts = 1',
    'fsync_after_insert = 1',
    'fsync_part_directory = 1',
    'old_parts_lifetime = 120',
    `max_bytes_to_merge_at_max_space_in_pool = ${maxPartBytes(table, options)}`,
    ...(options.home ?? LOCAL_HOME).tableSettings,
  ]
}

const LEAST_PART_BYTES = 2 ** 20

/** Retention by size drops whole parts, so none may be a large share of what is kept. */
export function largestPart(keptBytes: number, least: number): number {
  return Math.max(least, Math.floor(keptBytes / 16))
}

/** Where its kind has a size of its own, one part must not be a large share of that either. */
function maxPartBytes(table: string, { keep, maxPartBytes: most, home = LOCAL_HOME }: SchemaOptions): number {
  const kind = KEPT_TABLES.get(table)
  const bytes = home === LOCAL_HOME && kind !== undefined ? keep?.[kind]?.maxBytes : undefined
  return bytes === undefined ? most : Math.min(most, largestPart(bytes, LEAST_PART_BYTES))
}

/** Statements that make the tables where they are missing. */
export function schemaStatements(options: SchemaOptions): string[] {
  const home = options.home ?? LOCAL_HOME
  return [
    `CREATE TABLE IF NOT EXISTS ${home.stored('schema_version')}${home.on} (version UInt32, applied DateTime64(3, 'UTC')) ENGINE = ${home.engine('MergeTree')} ORDER BY version`,
    ...home.spread('schema_version'),
    ...TABLES.flatMap((table) => [createTable(table, options), ...home.spread(table.name)]),
  ]
}

/** Notes that this version's tables are there; the last step of a migration. */
export function versionStatement(options: SchemaOptions): string {
  const stored = (options.home ?? LOCAL_HOME).stored('schema_version')
  return `INSERT INTO ${stored} SELECT ${SCHEMA_VERSION}, now64(3) WHERE (SELECT count() FROM schema_version WHERE version >= ${SCHEMA_VERSION}) = 0`
}

/** Structure argument of `file()` for files of a table. */
export function structureOf(table: TableDefinition): string {
  return table.columns.map((c) => `${c.name} ${c.type}`).join(', ')
}
