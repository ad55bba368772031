// Where the tables are, as far as their statements tell: in one server, or spread over a cluster. In a cluster each
// server keeps `<table>_local`, replicated within its shard, and `<table>` asks all shards.

export interface Home {
  /** Name of the table that holds rows: what is inserted into, altered, and read by views. */
  stored(table: string): string
  /** The same with its database, for views: each server carries out statements in its default database. */
  qualified(table: string): string
  /** Comes after the name in each CREATE, ALTER and DROP. */
  readonly on: string
  /** The engine clause of a family: `MergeTree`, `SummingMergeTree((bytes, packets))`. */
  engine(family: string): string
  /** Statements that make the table by whose name all rows are asked for. */
  spread(table: string): string[]
  /** Statements of an ALTER that changes the columns. */
  alterColumn(table: string, action: string): string[]
  /** Where the parts of these tables are asked for, as of system.parts: of all shards, replicas once. */
  readonly parts: string
  /** Name of the cluster, where there is one. */
  readonly cluster?: string
  /** Number of the shard that holds a row, of those that are asked for by a table's name. */
  readonly shard: string
  /** Several collectors insert, and build rollups. */
  readonly isShared: boolean
  /** Settings of each table beside those of every home. */
  readonly tableSettings: readonly string[]
}

export const LOCAL_HOME: Home = {
  stored: (table) => table,
  qualified: (table) => table,
  on: '',
  engine: (family) => family,
  spread: () => [],
  alterColumn: (table, action) => [`ALTER TABLE ${table} ${action}`],
  parts: 'system.parts',
  shard: 'toUInt32(1)',
  isShared: false,
  tableSettings: [],
}

/** One ClickHouse server: as in one place, but it follows the age of rows by itself, and is asked over a network. */
export function serverHome(database: string): Home {
  return { ...LOCAL_HOME, isShared: true, parts: `(SELECT * FROM system.parts WHERE database = '${database}')` }
}

/** Inserts whose tokens each shard remembers, and for how long: a replay may come after a long outage. */
const REMEMBERED_INSERTS = 20_000
const REMEMBERED_SECONDS = 30 * 86_400

/** A cluster that the servers' `remote_servers` names; each has the macros `shard` and `replica`. Its name is of letters, digits, _ and -. */
export function clusterHome(cluster: string, database: string): Home {
  const on = ` ON CLUSTER '${cluster}'`
  const stored = (table: string): string => `${table}_local`
  return {
    cluster,
    stored,
    qualified: (table) => `${database}.${stored(table)}`,
    on,
    engine: (family) => {
      const [, name, , rest] = /^(\w+)(\((.*)\))?$/s.exec(family) ?? []
      const place = `'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'`
      return `Replicated${name}(${place}${rest === undefined || rest === '' ? '' : `, ${rest}`})`
    },
    // Without a sharding key: what is inserted goes to the tables that hold it, and never by way of this one.
    spread: (table) => [
      `CREATE TABLE IF NOT EXISTS ${table}${on} AS ${database}.${stored(table)} ENGINE = Distributed('${cluster}', '${database}', '${stored(table)}')`,
    ],
    alterColumn: (table, action) => [
      `ALTER TABLE ${stored(table)}${on} ${action}`,
      // The asking table keeps neither codecs nor data; it has names and types alone.
      `ALTER TABLE ${table}${on} ${action.replace(/ CODEC\(.*$/s, '')}`,
    ],
    parts: `(SELECT * FROM cluster('${cluster}', system.parts) WHERE database = '${database}')`,
    shard: '_shard_num',
    isShared: true,
    tableSettings: [
      `replicated_deduplication_window = ${REMEMBERED_INSERTS}`,
      `replicated_deduplication_window_seconds = ${REMEMBERED_SECONDS}`,
    ],
  }
}
