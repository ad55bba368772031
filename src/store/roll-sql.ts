import {
  BUCKET_COLUMN,
  FOLDED_AS,
  FOLDED_PORT,
  bucketSeconds,
  rollupNamed,
  rollupTable,
  SUM_COLUMNS,
  type Rollup,
  type RollupColumn,
  type RollupLevel,
  type TableLevel,
  UNIT_SECONDS,
} from './rollups.ts'

// Statements that build one unit of a rollup (a piece of a minute, one minute or all of five, an hour, six, a day), from the
// flows or from the level below. Each ends in one INSERT of one block into one partition, so that it is there as a whole or
// not at all. Where there are rows already, what is inserted is the difference between what ought to be there and what is:
// done twice, the second time inserts nothing.

/** Where the rows of a unit come from: at its own level, those of the rollup that it is made of. */
export type RollSource = 'flows' | TableLevel

export interface Unit {
  readonly rollup: Rollup
  readonly level: TableLevel
  readonly from: RollSource
  /** Seconds since 1970. */
  readonly start: number
  /** Of the minutes of five this one alone, of a rollup that has minutes (seconds since 1970). */
  readonly minute?: number
  /** Name of the table that holds the rows, where it is not the table's own. */
  readonly stored?: (table: string) => string
}

/**
 * What makes an INSERT go in once although others may build the same unit, and replicas may not have all rows yet. The
 * tables have a column `inserts`, which is 1 in one row of each INSERT. The token tells of the unit and of how many INSERTs
 * of it the statement sees: whoever sees fewer than there are has a token that was used, and inserts nothing.
 */
export interface Once {
  /** INSERTs of the unit that are there. */
  readonly inserts: number
  /** Flows that its rows stand for. */
  readonly flows: number
  /** Flows that the statement has to find, else it fails (BEHIND). */
  readonly least: number
}

export interface RollOptions {
  /** Groups above which the statement fails (TOO_MANY_ROWS); none by default. */
  readonly mostGroups?: number
  /** Ports or autonomous systems that keep rows of their own; those that are rare are put together. */
  readonly fold?: number
  /** True if there may be rows: the difference is inserted. */
  readonly again?: boolean
  /** True if nothing is inserted where fewer flows are found than rows stand for: those that are missing are being deleted. */
  readonly unlessFewer?: boolean
  readonly once?: Once
  readonly memoryBytes: number
}

/** ClickHouse: TOO_MANY_ROWS. */
export const TOO_MANY_GROUPS = 158
/** ClickHouse: FUNCTION_THROW_IF_VALUE_IS_NON_ZERO. The replica has not got all rows that others have told of. */
export const BEHIND = 395

/** Column of the tables of clusters, see Once. */
export const INSERTS_COLUMN: RollupColumn = { name: 'inserts', type: 'UInt8', codec: 'CODEC(T64, ZSTD(1))' }

const ONE_BLOCK =
  'min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 0, max_insert_threads = 1, max_execution_time = 0'

/** Questions and what comes in go first on the processors, where the engine may say so (CAP_SYS_NICE). */
export const ASIDE = 'os_threads_nice_value_query = 10'

export function instant(seconds: number): string {
  return `fromUnixTimestamp64Milli(${seconds * 1000}, 'UTC')`
}

export function within(start: number, level: TableLevel): string {
  return `time_received >= ${instant(start)} AND time_received < ${instant(start + UNIT_SECONDS[level])}`
}

function inUnit({ start, level, minute }: Unit): string {
  if (minute === undefined) return within(start, level)
  return `time_received >= ${instant(minute)} AND time_received < ${instant(minute + 60)}`
}

/** Start of the bucket of a row, within the unit. */
function bucketOf({ rollup, level, start }: Unit): string {
  return bucketSeconds(rollup, level) === UNIT_SECONDS[level]
    ? instant(start)
    : `toDateTime64(toStartOfMinute(time_received), 3, 'UTC')`
}

export function target(unit: Unit): string {
  return storedAs(unit, rollupTable(unit.rollup, unit.level))
}

export function sourceTable(unit: Unit): string {
  if (unit.from === 'flows') return storedAs(unit, 'flows')
  const { rollup, level, from } = unit
  const isMade = rollup.madeOf !== undefined && from === level
  return storedAs(unit, rollupTable(isMade ? rollupNamed(rollup.madeOf) : rollup, from))
}

/** Where a unit of a rollup is read from that the flows or the level below are there for. */
export function sourceOf({ madeOf }: Rollup, level: TableLevel, from: RollSource): RollSource {
  return madeOf ? level : from
}

function storedAs({ stored }: Unit, table: string): string {
  return stored ? stored(table) : table
}

export function settings(options: RollOptions, unit?: Unit): string {
  const spill = Math.floor(options.memoryBytes / 2)
  const groups =
    options.mostGroups === undefined
      ? ''
      : `, max_rows_to_group_by = ${Math.max(1, Math.floor(options.mostGroups))}, group_by_overflow_mode = 'throw'`
  const token =
    options.once && unit
      ? `, insert_deduplicate = 1, deduplicate_insert_select = 'enable_even_for_bad_queries', insert_deduplication_token = '${rollupTable(unit.rollup, unit.level)} ${unit.start} ${options.once.inserts}'`
      : ''
  return `SETTINGS ${ONE_BLOCK}, max_memory_usage = ${options.memoryBytes}, max_bytes_before_external_group_by = ${spill}, max_bytes_before_external_sort = ${spill}${groups}${token}${options.once ? '' : `, ${ASIDE}`}`
}

/**
 * The rows as they may be inserted once: nothing where no flows came to those that are there.
 * @param flows column of their flows; where others are there already, `seen` counts the INSERTs that they came by
 */
export function rowsOnce(names: string, rows: string, changed: string, flows: string, options: RollOptions): string {
  const { once, again } = options
  if (!once && options.unlessFewer)
    return `SELECT ${names} FROM (SELECT *, sum(${flows}) OVER () AS more FROM (${rows})) WHERE more >= 0${changed === '' ? '' : ` AND (${changed})`}`
  if (!once) return `SELECT ${names} FROM (${rows})${changed === '' ? '' : ` WHERE ${changed}`}`
  const checks = [
    ...(changed === '' ? [] : [`(${changed})`]),
    'more > 0',
    `throwIf(more + ${once.flows} < ${once.least}, 'flows are missing') = 0`,
    ...(again ? [`throwIf(seen != ${once.inserts}, 'inserts are missing') = 0`] : []),
  ]
  const seen = again ? ', sum(q) OVER () AS seen' : ''
  return `SELECT ${names}, toUInt8(row_number() OVER () = 1) FROM (SELECT *, sum(${flows}) OVER () AS more${seen} FROM (${rows})) WHERE ${checks.join(' AND ')}`
}

/** Sums over rows of flows or of a rollup, in the order of SUM_COLUMNS. */
export function sums(from: RollSource): string {
  if (from !== 'flows')
    return 'sum(bytes) AS s0, sum(packets) AS s1, sum(flows) AS s2, sum(bytes_squares) AS s3, max(packet_bytes) AS s4'
  const packet = 'toFloat64(bytes) / greatest(packets, 1)'
  return [
    'toInt64(sum(bytes)) AS s0',
    'toInt64(sum(packets)) AS s1',
    'toInt64(count()) AS s2',
    `sumIf(toFloat64(bytes) * ${packet}, sampling_rate > 1) AS s3`,
    `maxIf(toUInt32(least(ceil(${packet}), 4294967295)), sampling_rate > 1) AS s4`,
  ].join(', ')
}

export const SUM_NAMES = SUM_COLUMNS.map((_, i) => `s${i}`)

/** The INSERT of a unit of a rollup that holds all its keys. */
export function rollStatement(unit: Unit, options: RollOptions): string {
  const names = unit.rollup.keys.map((key) => key.name)
  const columns = [BUCKET_COLUMN.name, ...names, ...SUM_COLUMNS.map((c) => c.name), ...marks(options)].join(', ')
  const keys = ['b', ...names.map((_, i) => `k${i}`)].join(', ')
  const ought = `SELECT ${bucketOf(unit)} AS b, ${keyList(unit, options)}, ${sums(unit.from)} FROM ${sourceTable(unit)} WHERE ${inUnit(unit)} GROUP BY ${keys}`
  const rows = options.again
    ? difference(unit, ought, keys, options)
    : rowsOnce(`${keys}, ${SUM_NAMES.join(', ')}`, ought, '', 's2', options)
  return `INSERT INTO ${target(unit)} (${columns}) ${rows} ${settings(options, unit)}`
}

export function marks({ once }: RollOptions): string[] {
  return once ? [INSERTS_COLUMN.name] : []
}

/** All units of a rollup that is made of another one's rows, into its table, which is empty. */
export function wholeTableStatement(rollup: Rollup, level: RollupLevel): string {
  const unit: Unit = { rollup, level, from: level, start: 0 }
  const names = rollup.keys.map((key) => key.name)
  const columns = [BUCKET_COLUMN.name, ...names, ...SUM_COLUMNS.map((c) => c.name)].join(', ')
  const keys = ['b', ...names.map((_, i) => `k${i}`)].join(', ')
  const list = names.map((name, i) => `${name} AS k${i}`).join(', ')
  return `INSERT INTO ${target(unit)} (${columns}) SELECT ${keys}, ${SUM_NAMES.join(', ')} FROM (SELECT time_received AS b, ${list}, ${sums(level)} FROM ${sourceTable(unit)} GROUP BY ${keys}) SETTINGS max_partitions_per_insert_block = 0, max_execution_time = 0`
}

/** Keys as `k0`, `k1`, …; rare ones folded if asked for. */
function keyList(unit: Unit, options: RollOptions): string {
  const { rollup, from, start, level } = unit
  return rollup.keys
    .map((key, i) => {
      const expression = from === 'flows' ? key.expression : key.name
      if (options.fold === undefined || !rollup.folds.some((fold) => fold.key === key.name))
        return `${expression} AS k${i}`
      const common = `SELECT arrayJoin(topK(${options.fold})(${expression})) FROM ${sourceTable(unit)} WHERE ${within(start, level)}`
      const folded = key.name === 'service_port' ? FOLDED_PORT : FOLDED_AS
      return `if(${expression} IN (${common}), ${expression}, CAST(${folded}, '${key.type}')) AS k${i}`
    })
    .join(', ')
}

/** What ought to be there less what is. */
function difference(unit: Unit, ought: string, keys: string, options: RollOptions): string {
  const names = unit.rollup.keys.map((key, i) => `${key.name} AS k${i}`).join(', ')
  const there = `SELECT time_received AS b, ${names}, -bytes AS s0, -packets AS s1, -flows AS s2, -bytes_squares AS s3, packet_bytes AS s4${options.once ? ', inserts AS i' : ''} FROM ${target(unit)} WHERE ${inUnit(unit)}`
  const counted = options.once ? ', sum(i) AS q' : ''
  const added = `sum(s0) AS d0, sum(s1) AS d1, sum(s2) AS d2, sum(s3) AS d3, max(s4) AS d4${counted}`
  const both = `SELECT ${keys}, ${added} FROM (${options.once ? `SELECT *, 0 AS i FROM (${ought})` : ought} UNION ALL ${there}) GROUP BY ${keys}`
  return rowsOnce(`${keys}, d0, d1, d2, d3, d4`, both, 'd0 != 0 OR d1 != 0 OR d2 != 0', 'd2', options)
}
