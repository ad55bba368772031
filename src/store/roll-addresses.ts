import { instant, marks, rowsOnce, settings, sourceTable, SUM_NAMES, sums, target, within } from './roll-sql.ts'
import type { RollOptions, RollSource, Unit } from './roll-sql.ts'
import { BUCKET_COLUMN, FOLDED_ADDRESS, SUM_COLUMNS, UNSEEN_COLUMNS, type Rollup } from './rollups.ts'

// Rollups of addresses. The greatest addresses of a unit are found, by bytes, by packets and by flows; their rows are put
// together by all keys, and all other rows by the keys but the address.

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
  const isKept = `${addressOf(rollup)} IN (${keptAddresses(unit, unseen.greatest, options.again ?? false)}) AND NOT (${isFolded(rollup)})`
  const list = rollup.keys
    .map(
      (key, i) =>
        `${key.name === addressOf(rollup) ? `if(own, ${key.name}, toIPv6('${FOLDED_ADDRESS}'))` : key.name} AS k${i}`,
    )
    .join(', ')
  const own = UNSEEN_COLUMNS.map((column, i) =>
    from === 'flows' ? `toInt64(0) AS w${i}` : `sumIf(${column.name}, own) AS w${i}`,
  ).join(', ')
  const grouped = `SELECT ${isKept} AS own, ${list}, ${sums(from)}, ${own} FROM ${sourceTable(unit)} WHERE ${within(start, level)} GROUP BY own, ${keysOf(rollup)}`
  const bound = METRICS.map((i) => {
    const own = `${unseen.bounds[i]} - ${unseen.carried[i]}`
    return `w${i} + if(first AND rest, if(own, ${own}, ${unseen.bounds[i]}), 0) AS x${i}`
  })
  return insertFolded(unit, withBounds(rollup, grouped, bound), options)
}

/**
 * The INSERT of a unit of a rollup of addresses that has no rows yet, from the flows, which are read once: their sums by all
 * keys are taken together by address, the `keep` greatest addresses found among these, and all others' rows put together.
 * Holds all addresses in memory: options.mostGroups has to bound them.
 */
export function greatestStatement(unit: Unit, keep: number, options: RollOptions): string {
  const { rollup, start, level } = unit
  const names = rollup.keys.map((key) => key.name)
  const address = names.indexOf(addressOf(rollup))
  const rate = names.indexOf('sampling_rate')
  const others = names.flatMap((_, i) => (i === address ? [] : [`k${i}`]))
  const byKeys = `SELECT toUInt128(${addressOf(rollup)}) AS u, ${names.flatMap((name, i) => (i === address ? [] : [`${name} AS k${i}`])).join(', ')}, ${sums('flows')} FROM ${sourceTable(unit)} WHERE ${within(start, level)} GROUP BY u, ${others.join(', ')}`
  const cells = [...others, ...SUM_NAMES]
  const metrics = [`sum(s0 * k${rate})`, `sum(s1 * k${rate})`, 'sum(s2)']
  const estimated = metrics.map((sum, i) => `toInt64(${sum}) AS m${i}`).join(', ')
  const byAddress = `SELECT u, ${estimated}, groupArray((${cells.join(', ')})) AS r FROM (${byKeys}) GROUP BY u`
  const lists = METRICS.map((i) => `groupArraySortedIf(${keep + 1})(-m${i}, u != 0) AS g${i}`).join(', ')
  const ranked = `SELECT groupArray((u, m0, m1, m2, r)) AS addresses, ${lists} FROM (${byAddress})`
  const above = METRICS.map((i) => `if(length(g${i}) > ${keep}, -g${i}[${keep + 1}], 0) AS a${i}`).join(', ')
  const each = `SELECT arrayJoin(addresses) AS t, ${above} FROM (${ranked})`
  const rows = `SELECT t.1 AS u, t.1 != 0 AND (t.2 > a0 OR t.3 > a1 OR t.4 > a2) AS own, arrayJoin(t.5) AS c, a0, a1, a2 FROM (${each})`
  const list = names.map((_, i) =>
    i === address ? `CAST(if(own, u, 0), 'IPv6') AS k${i}` : `c.${cells.indexOf(`k${i}`) + 1} AS k${i}`,
  )
  const added = SUM_NAMES.map((name, i) => `${i === 4 ? 'max' : 'sum'}(c.${others.length + i + 1}) AS ${name}`)
  const kept = METRICS.map((i) => `any(a${i}) AS w${i}`)
  const grouped = `SELECT own, ${[...list, ...added, ...kept].join(', ')} FROM (${rows}) GROUP BY own, ${keysOf(rollup)}`
  const bound = METRICS.map((i) => `if(first AND rest, w${i}, 0) AS x${i}`)
  return insertFolded(unit, withBounds(rollup, grouped, bound), options)
}

function keysOf(rollup: Rollup): string {
  return rollup.keys.map((_, i) => `k${i}`).join(', ')
}

/**
 * Rows as they ought to be, with their bounds.
 * @param bound by metric, of `first` row of each address and whether addresses without rows of their own make up a `rest`
 */
function withBounds(rollup: Rollup, grouped: string, bound: readonly string[]): string {
  const keys = keysOf(rollup)
  const address = `k${rollup.keys.findIndex((key) => key.name === addressOf(rollup))}`
  const first = `row_number() OVER (PARTITION BY ${address} ORDER BY k0 DESC, s2 DESC, ${keys}) = 1`
  // Where each address keeps its rows none is missing, and there is no row that could carry a bound.
  return `SELECT ${keys}, ${SUM_NAMES.join(', ')}, ${bound.join(', ')} FROM (SELECT *, ${first} AS first, max(NOT own) OVER () AS rest FROM (${grouped}))`
}

function insertFolded(unit: Unit, ought: string, options: RollOptions): string {
  const { rollup, start } = unit
  const again = options.again ?? false
  const keys = keysOf(rollup)
  const columns = [
    BUCKET_COLUMN.name,
    ...rollup.keys.map((key) => key.name),
    ...SUM_COLUMNS.map((c) => c.name),
    ...UNSEEN_COLUMNS.map((c) => c.name),
    ...marks(options),
  ].join(', ')
  const cells = `${instant(start)}, ${keys}, ${SUM_NAMES.join(', ')}, x0, x1, x2`
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
