import {
  BUCKET_COLUMN,
  FOLDED_ADDRESS,
  FOLDED_AS,
  FOLDED_PORT,
  bucketSeconds,
  rollupTable,
  SUM_COLUMNS,
  UNSEEN_COLUMNS,
  type Rollup,
  type RollupLevel,
  UNIT_SECONDS,
} from './rollups.ts'

// Statements that build one unit of a rollup (an hour, a day, or the minutes of five), from the flows or from the level
// below. Each ends in one INSERT of one block into one partition, so that it is there as a whole or not at all. Where there
// are rows already, what is inserted is the difference between what ought to be there and what is: done twice, the second
// time inserts nothing.

/** Where the rows of a unit come from. */
export type RollSource = 'flows' | RollupLevel

export interface Unit {
  readonly rollup: Rollup
  readonly level: RollupLevel
  readonly from: RollSource
  /** Seconds since 1970. */
  readonly start: number
}

export interface RollOptions {
  /** Groups above which the statement fails (TOO_MANY_ROWS); none by default. */
  readonly mostGroups?: number
  /** Ports or autonomous systems that keep rows of their own; those that are rare are put together. */
  readonly fold?: number
  /** True if there may be rows: the difference is inserted. */
  readonly again?: boolean
  readonly memoryBytes: number
}

/** ClickHouse: TOO_MANY_ROWS. */
export const TOO_MANY_GROUPS = 158

const ONE_BLOCK =
  'min_insert_block_size_rows = 1000000000, min_insert_block_size_bytes = 0, max_insert_threads = 1, max_execution_time = 0'

function instant(seconds: number): string {
  return `fromUnixTimestamp64Milli(${seconds * 1000}, 'UTC')`
}

export function within(start: number, level: RollupLevel): string {
  return `time_received >= ${instant(start)} AND time_received < ${instant(start + UNIT_SECONDS[level])}`
}

/** Start of the bucket of a row, within the unit. */
function bucketOf({ rollup, level, start }: Unit): string {
  return bucketSeconds(rollup, level) === UNIT_SECONDS[level]
    ? instant(start)
    : `toDateTime64(toStartOfMinute(time_received), 3, 'UTC')`
}

export function target(unit: Unit): string {
  return rollupTable(unit.rollup, unit.level)
}

export function sourceTable(unit: Unit): string {
  return unit.from === 'flows' ? 'flows' : rollupTable(unit.rollup, unit.from)
}

export function settings(options: RollOptions): string {
  const spill = Math.floor(options.memoryBytes / 2)
  const groups =
    options.mostGroups === undefined
      ? ''
      : `, max_rows_to_group_by = ${Math.max(1, Math.floor(options.mostGroups))}, group_by_overflow_mode = 'throw'`
  return `SETTINGS ${ONE_BLOCK}, max_memory_usage = ${options.memoryBytes}, max_bytes_before_external_group_by = ${spill}, max_bytes_before_external_sort = ${spill}${groups}`
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
  const columns = [BUCKET_COLUMN.name, ...names, ...SUM_COLUMNS.map((c) => c.name)].join(', ')
  const keys = ['b', ...names.map((_, i) => `k${i}`)].join(', ')
  const ought = `SELECT ${bucketOf(unit)} AS b, ${keyList(unit, options)}, ${sums(unit.from)} FROM ${sourceTable(unit)} WHERE ${within(unit.start, unit.level)} GROUP BY ${keys}`
  const rows = options.again ? difference(unit, ought, keys) : `SELECT ${keys}, ${SUM_NAMES.join(', ')} FROM (${ought})`
  return `INSERT INTO ${target(unit)} (${columns}) ${rows} ${settings(options)}`
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
function difference(unit: Unit, ought: string, keys: string): string {
  const names = unit.rollup.keys.map((key, i) => `${key.name} AS k${i}`).join(', ')
  const there = `SELECT time_received AS b, ${names}, -bytes AS s0, -packets AS s1, -flows AS s2, -bytes_squares AS s3, packet_bytes AS s4 FROM ${target(unit)} WHERE ${within(unit.start, unit.level)}`
  const added = 'sum(s0) AS d0, sum(s1) AS d1, sum(s2) AS d2, sum(s3) AS d3, max(s4) AS d4'
  return `SELECT ${keys}, d0, d1, d2, d3, d4 FROM (SELECT ${keys}, ${added} FROM (${ought} UNION ALL ${there}) GROUP BY ${keys} HAVING d2 != 0)`
}

// Rollups of addresses. The rows of a unit are put together by all their keys into a stage; of the addresses there the
// greatest keep their rows, by bytes, by packets and by flows, and the others become one row (for each value of the keys
// that are no attributes of the address).

const METRICS = [
  ['bytes', 's0 * sampling_rate'],
  ['packets', 's1 * sampling_rate'],
  ['flows', 's2'],
] as const

/** Keys that a folded row keeps. */
const KEPT_BY_FOLDED: ReadonlySet<string> = new Set(['counted', 'protocol', 'sampling_rate'])

export function stageTable(rollup: Rollup): string {
  return `stage_${rollup.name}`
}

/** A table on disk, because a minute may have met more addresses than memory is given. */
export function stageDdl(rollup: Rollup): string {
  const columns = [
    ...rollup.keys.map((key) => `${key.name} ${key.type}`),
    ...SUM_COLUMNS.map((column, i) => `s${i} ${column.type}`),
    ...UNSEEN_COLUMNS.map((_, i) => `u${i} Int64`),
  ]
  return `CREATE TABLE IF NOT EXISTS ${stageTable(rollup)} (${columns.join(', ')}) ENGINE = StripeLog`
}

/** Fills the (empty) stage. */
export function stageStatement(unit: Unit, options: RollOptions): string {
  const { rollup, from } = unit
  const keys = rollup.keys.map((key, i) => `${from === 'flows' ? key.expression : key.name} AS k${i}`).join(', ')
  const unseen = UNSEEN_COLUMNS.map((column) => (from === 'flows' ? 'toInt64(0)' : `sum(${column.name})`)).join(', ')
  const range = within(unit.start, unit.level)
  return `INSERT INTO ${stageTable(rollup)} SELECT ${keys}, ${sums(from)}, ${unseen} FROM ${sourceTable(unit)} WHERE ${range} GROUP BY ${rollup.keys.map((_, i) => `k${i}`).join(', ')} ${settings(options)}`
}

function addressOf(rollup: Rollup): string {
  return rollup.folds[0]?.key as string
}

function isFolded(rollup: Rollup): string {
  return `${addressOf(rollup)} = toIPv6('${FOLDED_ADDRESS}')`
}

/** One row an address: its estimates m0, m1, m2 and what its rows carry of unseen, v0, v1, v2. */
function byAddress(rollup: Rollup): string {
  const list = METRICS.map(([, estimate], i) => `toInt64(sum(${estimate})) AS m${i}, sum(u${i}) AS v${i}`).join(', ')
  return `SELECT ${addressOf(rollup)} AS address, ${list} FROM ${stageTable(rollup)} WHERE NOT (${isFolded(rollup)}) GROUP BY address`
}

/** Three integers, of bytes, packets and flows, as text: they may be greater than a number holds. */
export type Three = readonly [string, string, string]

/** Answers for each metric the estimate above which an address is among the greatest: 0 where there are no more than `keep`. */
export function thresholdQuery(rollup: Rollup, keep: number): string {
  const least = METRICS.map(
    (_, i) => `toString(-arrayElement(groupArraySorted(${keep + 1})(-m${i}), ${keep + 1}))`,
  ).join(', ')
  return `SELECT ${least} FROM (${byAddress(rollup)})`
}

/** The addresses that keep their rows: the greatest, and those that have rows already. */
function keptAddresses(unit: Unit, above: Three): string {
  const { rollup, start } = unit
  const greatest = METRICS.map((_, i) => `m${i} > ${above[i]}`).join(' OR ')
  return `SELECT address FROM (${byAddress(rollup)}) WHERE ${greatest} UNION ALL SELECT ${addressOf(rollup)} FROM ${target(unit)} WHERE ${within(start, unit.level)}`
}

/**
 * Answers for each metric what an address without rows in the source may have had there (its folded rows carry it), then
 * for each what an address without rows in the target may have had.
 */
export function boundsQuery(unit: Unit, above: Three): string {
  const { rollup } = unit
  const carried = METRICS.map((_, i) => `sumIf(u${i}, ${isFolded(rollup)}) AS c${i}`).join(', ')
  const bounds = METRICS.map((_, i) => `toString(greatest(any(c${i}), max(m${i} + c${i} - v${i})))`).join(', ')
  const folded = `SELECT * FROM (${byAddress(rollup)}) WHERE address NOT IN (${keptAddresses(unit, above)})`
  return `SELECT ${METRICS.map((_, i) => `toString(any(c${i}))`).join(', ')}, ${bounds} FROM (SELECT ${carried} FROM ${stageTable(rollup)}) AS rest LEFT JOIN (${folded}) AS folded ON 1 = 1`
}

/** The INSERT of a unit of a rollup of addresses, from its stage. */
export function foldStatement(unit: Unit, above: Three, carried: Three, bounds: Three, options: RollOptions): string {
  const { rollup, start } = unit
  const address = addressOf(rollup)
  const names = rollup.keys.map((key) => key.name)
  const columns = [
    BUCKET_COLUMN.name,
    ...names,
    ...SUM_COLUMNS.map((c) => c.name),
    ...UNSEEN_COLUMNS.map((c) => c.name),
  ].join(', ')
  const keys = names.map((_, i) => `k${i}`).join(', ')
  const list = rollup.keys
    .map((key, i) =>
      KEPT_BY_FOLDED.has(key.name)
        ? `${key.name} AS k${i}`
        : `if(kept, ${key.name}, defaultValueOfTypeName('${key.type}')) AS k${i}`,
    )
    .join(', ')
  const addressKey = `k${names.indexOf(address)}`
  const unseen = METRICS.map((_, i) => `sumIf(u${i}, kept) AS w${i}`).join(', ')
  const grouped = `SELECT ${list}, any(kept) AS own, sum(s0) AS t0, sum(s1) AS t1, sum(s2) AS t2, sum(s3) AS t3, max(s4) AS t4, ${unseen}
FROM (SELECT *, ${address} IN (${keptAddresses(unit, above)}) AND NOT (${isFolded(rollup)}) AS kept FROM ${stageTable(rollup)}) GROUP BY ${keys}`
  const first = `row_number() OVER (PARTITION BY ${addressKey} ORDER BY k0 DESC, t2 DESC, ${keys}) = 1`
  const bound = METRICS.map(
    (_, i) => `w${i} + if(first, if(own, ${bounds[i]} - ${carried[i]}, ${bounds[i]}), 0) AS x${i}`,
  ).join(', ')
  const sumNames = ['t0', 't1', 't2', 't3', 't4']
  const ought = `SELECT ${keys}, ${sumNames.join(', ')}, ${bound} FROM (SELECT *, ${first} AS first FROM (${grouped}))`
  const there = `SELECT ${names.map((name, i) => `${name} AS k${i}`).join(', ')}, -bytes, -packets, -flows, -bytes_squares, packet_bytes, ${UNSEEN_COLUMNS.map((c) => `-${c.name}`).join(', ')} FROM ${target(unit)} WHERE ${within(start, unit.level)}`
  const added = [
    ...sumNames.map((t, i) => `${i === 4 ? 'max' : 'sum'}(${t}) AS d${i}`),
    ...METRICS.map((_, i) => `sum(x${i}) AS y${i}`),
  ]
  const isNew = 'd2 != 0 OR d0 != 0 OR d1 != 0 OR y0 != 0 OR y1 != 0 OR y2 != 0'
  const rows = `SELECT ${keys}, ${added.join(', ')} FROM (${ought} UNION ALL ${there}) GROUP BY ${keys} HAVING ${isNew}`
  return `INSERT INTO ${target(unit)} (${columns}) SELECT ${instant(start)}, ${keys}, d0, d1, d2, d3, d4, y0, y1, y2 FROM (${rows}) ${settings(options)}`
}
