import {
  BUCKET_COLUMN,
  PIECE_TABLES,
  ROLLUP_TABLES,
  SUM_COLUMNS,
  UNIT_SECONDS,
  UNSEEN_COLUMNS,
  type RollupTable,
  type TableLevel,
} from './rollups.ts'
import type { Home } from './home.ts'
import { INSERTS_COLUMN } from './roll-sql.ts'
import type { TableDefinition } from './schema.ts'

// The tables of the rollups, and what tells which of their buckets are built:
//
//   flows ── view `count_arrivals` ──▶ arrivals   flows of each ten seconds of receipt that were ever stored
//   flows ──▶ traffic_minute … ──▶ traffic_hour … ──▶ traffic_6hours …, traffic_day …
//                    └──────────────────┴──────────────────────┴──▶ rolled   flows in each unit that is built
//
// A unit has to be built (again) where `rolled` tells of fewer flows than `arrivals`: after a crash and after late flows
// alike. Both are written so that what is done twice changes nothing: by the token of the insert, and as a maximum.

/** One part a month at last; a day of minutes, which are many; a minute of pieces, of which whole ones are dropped. */
const PARTITIONS: Readonly<Record<TableLevel, string>> = {
  piece: 'toStartOfMinute',
  minute: 'toYYYYMMDD',
  hour: 'toYYYYMM',
  '6hours': 'toYYYYMM',
  day: 'toYYYYMM',
}

function definitionOf({ name, rollup, level }: RollupTable<TableLevel>): TableDefinition {
  return {
    name,
    columns: [BUCKET_COLUMN, ...rollup.keys, ...SUM_COLUMNS, ...(rollup.exact ? [] : UNSEEN_COLUMNS)],
    time: BUCKET_COLUMN.name,
    partitionBy: `${PARTITIONS[level]}(${BUCKET_COLUMN.name})`,
    orderBy: [BUCKET_COLUMN.name, ...rollup.keys.slice(0, 4).map((key) => key.name)].join(', '),
  }
}

export const ROLLUP_DEFINITIONS: readonly TableDefinition[] = ROLLUP_TABLES.map(definitionOf)

/** Pieces are told to be there by what the roller has in mind alone. */
const PIECE_DEFINITIONS: readonly TableDefinition[] = PIECE_TABLES.map(definitionOf)

/** The tables of the rollups as they are made somewhere. */
export function rollupDefinitions({ isShared }: Home): readonly TableDefinition[] {
  if (!isShared) return [...PIECE_DEFINITIONS, ...ROLLUP_DEFINITIONS]
  return ROLLUP_DEFINITIONS.map((table) => ({ ...table, columns: [...table.columns, INSERTS_COLUMN] }))
}

/** Flows of ten seconds, or of a minute or five at the first of them: rows add up. */
export const ARRIVALS: TableDefinition = {
  name: 'arrivals',
  columns: [
    { name: 'time', type: "DateTime('UTC')", codec: 'CODEC(Delta, ZSTD(1))' },
    { name: 'flows', type: 'UInt64', codec: 'CODEC(T64, ZSTD(1))' },
  ],
  time: 'time',
  partitionBy: 'toYYYYMM(time)',
  orderBy: 'time',
  engine: 'SummingMergeTree',
}

/** Of a unit of a level: flows in its rows, and flows at which it was left out. The greatest of each counts. */
export const ROLLED: TableDefinition = {
  name: 'rolled',
  columns: [
    { name: 'level', type: 'LowCardinality(String)', codec: 'CODEC(ZSTD(1))' },
    { name: 'time', type: "DateTime('UTC')", codec: 'CODEC(Delta, ZSTD(1))' },
    { name: 'flows', type: 'SimpleAggregateFunction(max, UInt64)', codec: 'CODEC(T64, ZSTD(1))' },
    { name: 'left_out', type: 'SimpleAggregateFunction(max, UInt64)', codec: 'CODEC(T64, ZSTD(1))' },
  ],
  time: 'time',
  partitionBy: 'toYYYYMM(time)',
  orderBy: 'level, time',
  engine: 'AggregatingMergeTree',
}

/** Up to which time rows of a table were deleted for their age or the size of all. The greatest counts. */
export const DROPPED: TableDefinition = {
  name: 'dropped',
  columns: [
    { name: 'table', type: 'LowCardinality(String)', codec: 'CODEC(ZSTD(1))' },
    { name: 'until', type: "SimpleAggregateFunction(max, DateTime('UTC'))", codec: 'CODEC(ZSTD(1))' },
  ],
  time: '',
  partitionBy: 'tuple()',
  orderBy: 'table',
  engine: 'AggregatingMergeTree',
}

/** In the place of a table in `dropped`: its rollup came later than others, and answers from that time on alone. */
export function beginOf(table: string): string {
  return `begin ${table}`
}

/** Which collector builds the rollups of a shard: whoever wrote last, and not long ago. Only spares double work. */
export const ROLLING: TableDefinition = {
  name: 'rolling',
  columns: [
    { name: 'at', type: "DateTime64(3, 'UTC')", codec: 'CODEC(Delta, ZSTD(1))' },
    { name: 'collector', type: 'String', codec: 'CODEC(ZSTD(1))' },
  ],
  time: 'at',
  orderBy: 'at',
}

function countedFlows(seconds: number): string {
  return `SELECT toDateTime(toStartOfInterval(time_received, INTERVAL ${seconds} SECOND), 'UTC') AS time, count() AS flows FROM`
}

/** By the pieces of minutes: units are of five minutes, but busy ones are built in parts before they are over. */
const COUNTED_FLOWS = countedFlows(UNIT_SECONDS.piece)

/**
 * Statements that make what counts arrivals where it is missing: filled with the flows that are there, under another name
 * until it is. Nothing is inserted meanwhile.
 */
export function arrivalsStatements(tables: ReadonlySet<string>, create: (table: TableDefinition) => string): string[] {
  const view = `CREATE MATERIALIZED VIEW IF NOT EXISTS count_arrivals TO arrivals AS ${COUNTED_FLOWS} flows GROUP BY time`
  // Of earlier versions it counted by five minutes or one, and may go on being told of so where it did.
  if (tables.has(ARRIVALS.name)) return ['DROP VIEW IF EXISTS count_arrivals', view]
  const filling = { ...ARRIVALS, name: 'arrivals_filling' }
  return [
    'DROP VIEW IF EXISTS count_arrivals',
    `DROP TABLE IF EXISTS ${filling.name}`,
    create(filling),
    `INSERT INTO ${filling.name} ${COUNTED_FLOWS} flows GROUP BY time`,
    `RENAME TABLE ${filling.name} TO ${ARRIVALS.name}`,
    view,
  ]
}

/** The view that counts arrivals, where flows of several collectors come while it is made: by units, none is built in parts. */
export function arrivalsView({ qualified, on }: Home): string {
  const counted = countedFlows(UNIT_SECONDS.minute)
  return `CREATE MATERIALIZED VIEW IF NOT EXISTS count_arrivals${on} TO ${qualified(ARRIVALS.name)} AS ${counted} ${qualified('flows')} GROUP BY time`
}

/** Of earlier versions: where the greatest addresses of a unit were noted while it was built. */
export const SCRATCH_TABLES: readonly string[] = ['greatest_sources', 'greatest_destinations']
