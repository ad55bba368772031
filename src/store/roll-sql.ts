import {
  BUCKET_COLUMN,
  FOLDED_ADDRESS,
  FOLDED_AS,
  FOLDED_PORT,
  bucketSeconds,
  rollupNamed,
  rollupTable,
  SUM_COLUMNS,
  UNSEEN_COLUMNS,
  type Rollup,
  type RollupColumn,
  type RollupLevel,
  UNIT_SECONDS,
} from './rollups.ts'

// Statements that build one unit of a rollup (an hour, a day, or the minutes of five), from the flows or from the level
// below. Each ends in one INSERT of one block into one partition, so that it is there as a whole or not at all. Where there
// are rows already, what is inserted is the difference between what ought to be there and what is: done twice, the second
// time inserts nothing.

/** Where the rows of a unit come from: of a rollup that is made of another one, that one's at this level. */
export type RollSource = 'flows' | RollupLevel

export interface Unit {
  readonly rollup: Rollup
  readonly level: RollupLevel
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

function instant(seconds: number): string {
  return `fromUnixTimestamp64Milli(${seconds * 1000}, 'UTC')`
}

export function within(start: number, level: RollupLevel): string {
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
  return storedAs(unit, rollupTable(unit.rollup.madeOf ? rollupNamed(unit.rollup.madeOf) : unit.rollup, unit.from))
}

/** Where a unit of a rollup is read from that the flows or the level below are there for. */
export function sourceOf({ madeOf }: Rollup, level: RollupLevel, from: RollSource): RollSource {
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
function rowsOnce(names: string, rows: string, changed: string, flows: string, options: RollOptions): string {
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

const SUM_NAMES = SUM_COLUMNS.map((_, i) => `s${i}`)

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

function marks({ once }: RollOptions): string[] {
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

// Rollups of addresses. First the greatest addresses of a unit are found, by bytes, by packets and by flows; then their
// rows are put together by all keys, and all other rows by the keys but the address.

/** Estimates by which addresses are ranked, over rows of flows and of rollups. */
function estimates(from: RollSource): readonly string[] {
  return [
    'toInt64(sum(bytes * sampling_rate))',
    'toInt64(sum(packets * sampling_rate))',
    `toInt64(${from === 'flows' ? 'count()' : 'sum(flows)'})`,
  ]
}

const METRICS = [0, 1, 2] as const

function addressOf(rollup: Rollup): string {
  return rollup.folds[0]?.key as string
}

function isFolded(rollup: Rollup): string {
  return `${addressOf(rollup)} = toIPv6('${FOLDED_ADDRESS}')`
}

/** One row an address: its estimates m0, m1, m2, and what its rows carry of unseen, v0, v1, v2. */
function byAddress(unit: Unit): string {
  const { rollup, start, level, from } = unit
  const ranked = estimates(from).map((estimate, i) => `${estimate} AS m${i}`)
  const carried = from === 'flows' ? [] : UNSEEN_COLUMNS.map((column, i) => `sum(${column.name}) AS v${i}`)
  // Numbers are grouped a fifth faster than addresses.
  return `SELECT toUInt128(${addressOf(rollup)}) AS u, ${[...ranked, ...carried].join(', ')} FROM ${sourceTable(unit)} WHERE ${within(start, level)} AND NOT (${isFolded(rollup)}) GROUP BY u`
}

/**
 * Answers for each metric the estimate above which an address is among the `keep` greatest (0 where there are no more), then
 * for each the addresses that are.
 */
export function greatestQuery(unit: Unit, keep: number): string {
  const lists = METRICS.map((i) => `groupArraySorted(${keep + 1})((-m${i}, u)) AS g${i}`).join(', ')
  const above = METRICS.map((i) => `if(length(g${i}) > ${keep}, -g${i}[${keep + 1}].1, 0) AS a${i}`).join(', ')
  const greatest = METRICS.map(
    (i) => `arrayMap(t -> toString(CAST(t.2, 'IPv6')), arrayFilter(t -> -t.1 > a${i}, g${i}))`,
  )
  return `SELECT ${METRICS.map((i) => `toString(a${i})`).join(', ')}, ${greatest.join(', ')} FROM (SELECT ${lists}, ${above} FROM (${byAddress(unit)}))`
}

/** Three integers, of bytes, packets and flows, as text: they may be greater than a number holds. */
export type Three = readonly [string, string, string]

/** The addresses that keep their rows: the greatest, and those that have rows already. */
function keptAddresses(unit: Unit, greatest: readonly string[], again: boolean): string {
  const { rollup, start, level } = unit
  const there = ` UNION ALL SELECT ${addressOf(rollup)} FROM ${target(unit)} WHERE ${within(start, level)}`
  const list = greatest.map((address) => `'${address}'`).join(', ')
  return `SELECT arrayJoin(CAST([${list}], 'Array(IPv6)'))${again ? there : ''}`
}

/**
 * Answers, where the source is a rollup, for each metric what an address without rows there may have had (its folded rows
 * carry it), then for each what an address without rows in the target may have had.
 */
export function boundsQuery(unit: Unit, greatest: readonly string[], again: boolean): string {
  const { rollup, start, level } = unit
  const carried = UNSEEN_COLUMNS.map((column, i) => `sumIf(${column.name}, ${isFolded(rollup)}) AS c${i}`).join(', ')
  const bounds = METRICS.map((i) => `toString(greatest(any(c${i}), max(m${i} + c${i} - v${i})))`).join(', ')
  const folded = `SELECT * FROM (${byAddress(unit)}) WHERE CAST(u, 'IPv6') NOT IN (${keptAddresses(unit, greatest, again)})`
  return `SELECT ${METRICS.map((i) => `toString(any(c${i}))`).join(', ')}, ${bounds} FROM (SELECT ${carried} FROM ${sourceTable(unit)} WHERE ${within(start, level)}) AS rest LEFT JOIN (${folded}) AS folded ON 1 = 1`
}

/** What the rows of a unit have to say of what they leave out. */
export interface Unseen {
  /** Addresses that keep their rows. */
  readonly greatest: readonly string[]
  /** What an address without rows in the source may have had. */
  readonly carried: Three
  /** What an address without rows in the target may have had. */
  readonly bounds: Three
}

/** The INSERT of a unit of a rollup of addresses. */
export function foldStatement(unit: Unit, unseen: Unseen, options: RollOptions): string {
  const { rollup, start, level, from } = unit
  const again = options.again ?? false
  const names = rollup.keys.map((key) => key.name)
  const columns = [
    BUCKET_COLUMN.name,
    ...names,
    ...SUM_COLUMNS.map((c) => c.name),
    ...UNSEEN_COLUMNS.map((c) => c.name),
    ...marks(options),
  ].join(', ')
  const keys = names.map((_, i) => `k${i}`).join(', ')
  const isKept = `${addressOf(rollup)} IN (${keptAddresses(unit, unseen.greatest, again)}) AND NOT (${isFolded(rollup)})`
  const list = rollup.keys
    .map(
      (key, i) =>
        `${key.name === addressOf(rollup) ? `if(own, ${key.name}, toIPv6('${FOLDED_ADDRESS}'))` : key.name} AS k${i}`,
    )
    .join(', ')
  const own = UNSEEN_COLUMNS.map((column, i) =>
    from === 'flows' ? `toInt64(0) AS w${i}` : `sumIf(${column.name}, own) AS w${i}`,
  ).join(', ')
  const grouped = `SELECT ${isKept} AS own, ${list}, ${sums(from)}, ${own} FROM ${sourceTable(unit)} WHERE ${within(start, level)} GROUP BY own, ${keys}`
  const address = `k${names.indexOf(addressOf(rollup))}`
  const first = `row_number() OVER (PARTITION BY ${address} ORDER BY k0 DESC, s2 DESC, ${keys}) = 1`
  const bound = METRICS.map((i) => {
    const own = `${unseen.bounds[i]} - ${unseen.carried[i]}`
    return `w${i} + if(first AND rest, if(own, ${own}, ${unseen.bounds[i]}), 0) AS x${i}`
  }).join(', ')
  const sumNames = SUM_NAMES.join(', ')
  // Where each address keeps its rows none is missing, and there is no row that could carry a bound.
  const ought = `SELECT ${keys}, ${sumNames}, ${bound} FROM (SELECT *, ${first} AS first, max(NOT own) OVER () AS rest FROM (${grouped}))`
  const cells = `${instant(start)}, ${keys}, ${sumNames}, x0, x1, x2`
  const rows = again ? foldDifference(unit, ought, keys, options) : ought
  const inserted = rowsOnce(cells, rows, again ? CHANGED : '', 's2', options)
  return `INSERT INTO ${target(unit)} (${columns}) ${inserted} ${settings(options, unit)}`
}

const CHANGED = [...SUM_NAMES.slice(0, 3), ...METRICS.map((i) => `x${i}`)].map((name) => `${name} != 0`).join(' OR ')

function foldDifference(unit: Unit, ought: string, keys: string, { once }: RollOptions): string {
  const names = unit.rollup.keys.map((key, i) => `${key.name} AS k${i}`).join(', ')
  const carried = UNSEEN_COLUMNS.map((column) => `-${column.name}`).join(', ')
  const there = `SELECT ${names}, -bytes, -packets, -flows, -bytes_squares, packet_bytes, ${carried}${once ? ', inserts' : ''} FROM ${target(unit)} WHERE ${within(unit.start, unit.level)}`
  const added = [
    ...SUM_NAMES.map((name, i) => `${i === 4 ? 'max' : 'sum'}(${name}) AS d${i}`),
    ...METRICS.map((i) => `sum(x${i}) AS y${i}`),
    ...(once ? ['sum(i) AS q'] : []),
  ].join(', ')
  const renamed = [
    ...SUM_NAMES.map((name, i) => `d${i} AS ${name}`),
    ...METRICS.map((i) => `y${i} AS x${i}`),
    ...(once ? ['q'] : []),
  ].join(', ')
  const both = `${once ? `SELECT *, 0 AS i FROM (${ought})` : ought} UNION ALL ${there}`
  return `SELECT ${keys}, ${renamed} FROM (SELECT ${keys}, ${added} FROM (${both}) GROUP BY ${keys})`
}
