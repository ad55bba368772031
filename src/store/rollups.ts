import { BugError } from '../base/errors.ts'
import { columnNamed } from '../flow/columns.ts'

// What the rollup tables hold. A rollup row is the sum of the flows of one bucket of receipt time that have the same keys.
// Keys have the names and types that they have in `flows`, and the sums are of values as observed, with `sampling_rate`
// among the keys: so `sum(bytes * sampling_rate)` means the same over flows and over any rollup.

export type RollupLevel = 'minute' | 'hour' | '6hours' | 'day'

/** Besides, pieces of minutes that are not over, which are kept for a short time. */
export type TableLevel = RollupLevel | 'piece'

/**
 * Seconds for which a level is built at once. Flows lie on disk by five minutes: to read one of them costs what all
 * five do. Times are of receipt, in UTC.
 */
export const UNIT_SECONDS: Readonly<Record<TableLevel, number>> = {
  piece: 10,
  minute: 300,
  hour: 3600,
  '6hours': 21_600,
  day: 86_400,
}

/**
 * From the finest to the coarsest. Six hours are what a month is drawn by; of traffic they have a quarter of the rows of its
 * hours, and days a tenth.
 */
export const LEVELS = ['minute', 'hour', '6hours', 'day'] as const satisfies readonly RollupLevel[]

export type RollupName = 'traffic' | 'segments' | 'networks' | 'sources' | 'destinations'

export interface RollupColumn {
  readonly name: string
  readonly type: string
  readonly codec: string
}

export interface RollupKey extends RollupColumn {
  /** What it is over columns of `flows`. */
  readonly expression: string
}

/** A family of tables, one a level, that have the same columns. */
export interface Rollup {
  readonly name: RollupName
  /** What a row stands for: “flows by …”. */
  readonly describe: string
  /**
   * Columns by which flows are put together, besides the bucket. All are columns of `flows` except `service_port`: the
   * lower port of protocols that have ports, otherwise 0 (as the dimension `service` has it).
   */
  readonly keys: readonly RollupKey[]
  /**
   * True if its rows are all there is: any sum over any of its keys is what the flows would give. Otherwise only the
   * greatest values of `folds` stand in rows of their own, and the rest of a bucket in rows where it is `FOLDED`.
   */
  readonly exact: boolean
  /** The rollup whose rows it is made of, at the same level: its keys are some of that one's. */
  readonly madeOf?: RollupName
  /** Key whose rare values a bucket may hold as one value, `foldedAs`. Sums over all other keys stay exact. */
  readonly folds: readonly { readonly key: string; readonly foldedAs: string }[]
}

/**
 * Sums of a row, of the flows that it stands for. A bucket may hold several rows of the same keys, which add up: the later
 * ones came of late flows. Signed, because what is moved out of the rest of a bucket is taken from it.
 * - `bytes`, `packets`: as observed;
 * - `flows`: their number;
 * - `bytes_squares`: Σ bytes² / max(packets, 1) of sampled flows (0 if sampling_rate is 1), so that the variance of the estimate of bytes is
 *   Σ rate · (rate − 1) · bytes_squares;
 * - `packet_bytes`: the greatest mean packet of a sampled flow, rounded up (0 if unsampled): a maximum, not a sum.
 *
 * Every question reads them: LZ4 answers a fifth faster than ZSTD, in a tenth more of space.
 */
export const SUM_COLUMNS: readonly RollupColumn[] = [
  { name: 'bytes', type: 'Int64', codec: 'CODEC(T64, LZ4)' },
  { name: 'packets', type: 'Int64', codec: 'CODEC(T64, LZ4)' },
  { name: 'flows', type: 'Int64', codec: 'CODEC(T64, LZ4)' },
  { name: 'bytes_squares', type: 'Float64', codec: 'CODEC(LZ4)' },
  { name: 'packet_bytes', type: 'UInt32', codec: 'CODEC(T64, LZ4)' },
]

/** Start of the bucket: of the same name and type as in `flows`, so that conditions on whole buckets read the same. */
export const BUCKET_COLUMN: RollupColumn = {
  name: 'time_received',
  type: "DateTime64(3, 'UTC')",
  codec: 'CODEC(Delta, ZSTD(1))',
}

/**
 * Of rollups that keep the greatest addresses: what an address that has no row in a bucket had there at most, as
 * estimates. The rows of folded addresses carry that bound; the rows of an address the bound less what may be missing of
 * it in this bucket. Both add up, each bucket once. So over any buckets at most
 * Σ unseen of folded rows (whatever the filter) − Σ unseen of its own rows is missing of an address.
 */
export const UNSEEN_COLUMNS: readonly RollupColumn[] = [
  { name: 'unseen_bytes', type: 'Int64', codec: 'CODEC(T64, ZSTD(1))' },
  { name: 'unseen_packets', type: 'Int64', codec: 'CODEC(T64, ZSTD(1))' },
  { name: 'unseen_flows', type: 'Int64', codec: 'CODEC(T64, ZSTD(1))' },
]

/** Stands for the rare ports of a bucket that has too many. */
export const FOLDED_PORT = 65_535
/** Stands for the rare autonomous systems of a bucket that has too many (reserved by RFC 7300). */
export const FOLDED_AS = 4_294_967_295
/** Stands for the addresses of a bucket that have no row of their own. */
export const FOLDED_ADDRESS = '::'

const LOWER_PORT = 'if(src_port = 0 OR dst_port = 0, greatest(src_port, dst_port), least(src_port, dst_port))'

const SERVICE_PORT: RollupKey = {
  name: 'service_port',
  type: 'UInt16',
  codec: 'CODEC(ZSTD(1))',
  expression: `if(proto IN (6, 17, 33, 132, 136), ${LOWER_PORT}, 0)`,
}

function keyNamed(name: string): RollupKey {
  if (name === SERVICE_PORT.name) return SERVICE_PORT
  const column = columnNamed(name)
  if (!column) throw new BugError(`a rollup is to have the key ${name}, which flows do not have`)
  return { name, type: column.type, codec: column.codec, expression: name }
}

function rollup(
  name: RollupName,
  describe: string,
  exact: boolean,
  keys: readonly string[],
  folds: Rollup['folds'],
  madeOf?: RollupName,
): Rollup {
  return { name, describe, exact, folds, keys: keys.map(keyNamed), ...(madeOf ? { madeOf } : {}) }
}

const PORT_FOLD = { key: 'service_port', foldedAs: String(FOLDED_PORT) }

export const ROLLUPS: readonly Rollup[] = [
  rollup(
    'traffic',
    'exporter, interfaces, VLANs, hosts, VMs, slice, locality, protocol and service',
    true,
    [
      'counted',
      'protocol',
      'exporter',
      'in_if',
      'out_if',
      'direction',
      'vlan_in',
      'vlan_out',
      's_vlan',
      'vni',
      'src_host',
      'dst_host',
      'src_vm',
      'dst_vm',
      'slice',
      'locality',
      'proto',
      'service_port',
      'sampling_rate',
    ],
    [PORT_FOLD],
  ),
  rollup(
    'segments',
    'VLANs, hosts, slice, locality and protocol',
    true,
    [
      'counted',
      'protocol',
      'vlan_in',
      'vlan_out',
      's_vlan',
      'vni',
      'src_host',
      'dst_host',
      'slice',
      'locality',
      'proto',
      'sampling_rate',
    ],
    [],
    'traffic',
  ),
  rollup(
    'networks',
    'autonomous system and country',
    true,
    ['counted', 'protocol', 'src_as', 'dst_as', 'src_country', 'dst_country', 'sampling_rate'],
    [
      { key: 'src_as', foldedAs: String(FOLDED_AS) },
      { key: 'dst_as', foldedAs: String(FOLDED_AS) },
    ],
  ),
  rollup(
    'sources',
    'source address, the greatest alone',
    false,
    ['counted', 'protocol', 'src_addr', 'sampling_rate'],
    [{ key: 'src_addr', foldedAs: FOLDED_ADDRESS }],
  ),
  rollup(
    'destinations',
    'destination address, the greatest alone',
    false,
    ['counted', 'protocol', 'dst_addr', 'sampling_rate'],
    [{ key: 'dst_addr', foldedAs: FOLDED_ADDRESS }],
  ),
]

export function rollupNamed(name: RollupName): Rollup {
  const found = ROLLUPS.find((one) => one.name === name)
  if (!found) throw new BugError(`there is no rollup ${name}`)
  return found
}

/**
 * Rollups whose minutes are built alone where those of the first one would save too little: they have fewer keys. In
 * `rolled` their names stand in the place of a level.
 */
export const ALONE = ['segments', 'networks'] as const satisfies readonly RollupName[]
export type AloneName = (typeof ALONE)[number]

/** One rollup at one level. */
export interface RollupTable<Level extends TableLevel = RollupLevel> {
  readonly name: string
  readonly rollup: Rollup
  readonly level: Level
  /** Length of a bucket. */
  readonly stepMs: number
}

/** Seconds of a bucket. Of the greatest addresses the finest level has five minutes: they are chosen as it is built. */
export function bucketSeconds(rollup: Rollup, level: TableLevel): number {
  return level === 'minute' && rollup.exact ? 60 : UNIT_SECONDS[level]
}

/** `traffic_minute`, `traffic_6hours`, `sources_5minutes`, `traffic_10seconds`. */
export function rollupTable(rollup: Rollup, level: TableLevel): string {
  if (level === 'piece') return `${rollup.name}_${UNIT_SECONDS.piece}seconds`
  return `${rollup.name}_${level === 'minute' && !rollup.exact ? '5minutes' : level}`
}

export const ROLLUP_TABLES: readonly RollupTable[] = ROLLUPS.flatMap((of) => LEVELS.map((level) => tableOf(of, level)))

/** Rollups that have minutes: the others put the rare together, of all of five minutes. */
export const MINUTE_ROLLUPS: readonly Rollup[] = ROLLUPS.filter(({ exact }) => exact)

/** Where traffic is busy, in one place: what has come since the last minute that is over. */
export const PIECE_TABLES: readonly RollupTable<'piece'>[] = MINUTE_ROLLUPS.map((of) => tableOf(of, 'piece'))

/** All that questions may be answered from. */
export const ANSWERING_TABLES: readonly RollupTable<TableLevel>[] = [...PIECE_TABLES, ...ROLLUP_TABLES]

function tableOf<Level extends TableLevel>(rollup: Rollup, level: Level): RollupTable<Level> {
  return { name: rollupTable(rollup, level), rollup, level, stepMs: bucketSeconds(rollup, level) * 1000 }
}

/** Milliseconds since 1970, from (inclusive) and to (exclusive). */
export interface Range {
  readonly from: number
  readonly to: number
}

/** What a table of flows or a rollup holds. */
export interface Coverage {
  /** `flows` or a rollup table. */
  readonly table: string
  /**
   * Ranges on borders of what is built at once (UNIT_SECONDS; the last one of a table of minutes may end at any minute), ascending and apart, in which the table has all that was received up to a few seconds ago.
   * A range begins at 0 where nothing was ever deleted. It ends where a bucket is open, is about to be built again because
   * late flows came, was left out because putting its flows together would save little, or was deleted. Of `flows` it
   * ends at infinity.
   */
  readonly ranges: readonly Range[]
  /** As of the last minute. */
  readonly rows: number
  readonly bytes: number
}

export interface Spread {
  readonly cluster: string
  /** With its database: a server that is asked by another has none chosen. */
  stored(table: string): string
}

/** The rollups of a running store, as a question has to know them. */
export interface RollupStatus {
  /** Where rows are spread over a cluster: its name, and those of the tables as they stand on each server. */
  readonly spread?: Spread
  /** One for `flows` and for each rollup table; kept in memory, so that it may be asked for with each question. */
  coverage(): readonly Coverage[]
}
