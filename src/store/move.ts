import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../base/directory.ts'
import { OperatorError } from '../base/errors.ts'
import { readJsonFile, writeJsonFile } from '../base/json-file.ts'
import type { ClusterStore } from './cluster.ts'
import { ARRIVALS, DROPPED, ROLLED, ROLLUP_DEFINITIONS, rollupDefinitions } from './rollup-tables.ts'
import { createTable, FLOWS, TABLES, type TableDefinition } from './schema.ts'
import type { Cell, Store } from './store.ts'

// Takes what an embedded store holds to servers, while they store what comes now. Day by day, each row once:
//
//   rows of the day → <table>_moving, in pieces under tokens → counted → journal: 'there'
//     → flows: arrivals, under a token → journal: 'told'
//     → MOVE PARTITION to <table> → journal: 'moved'
//
// A piece that is repeated after a break changes nothing, and neither does moving a day that has been moved. Days take
// turns among the shards. Of times whose flows are gone the rollups are moved, with what tells of them, each month to one
// shard; of all others they are built there, from the flows.

export interface MoveConfig {
  /** For pieces under way and for the journal; the same for each attempt. */
  readonly dir: string
  /** Rows of a piece, about. Default 250,000. */
  readonly pieceRows?: number
}

export interface MoveDeps {
  readonly source: Pick<Store, 'query' | 'queryBytes'>
  /** One store a shard, inserting into it, in the order of their names. */
  readonly targets: readonly Pick<ClusterStore, 'home' | 'schema' | 'query' | 'execute' | 'insertInto' | 'collector'>[]
  readonly say?: (words: string) => void
}

type Progress = 'there' | 'told' | 'moved'

interface Journal {
  /** Days keep their shard from one attempt to the next. */
  readonly shards: number
  readonly days: Record<string, Progress>
}

/** What is moved of a table, and in which portions. */
interface Load {
  readonly table: TableDefinition
  /** Name of the portion that a row belongs to: that of its partition. */
  readonly portion: string
  readonly where: string
  /** Shard of a portion, of so many. */
  readonly shardOf: (portion: string, index: number, shards: number) => number
}

interface Piece {
  /** Seconds since 1970, from the first to the last. */
  readonly from: number
  to: number
  rows: number
}

const STEP_MS = 600_000
const DAY = 86_400
const MOVE_TRIES = 20

/** Rows moved, by table, by this attempt and those before it. */
export async function moveStore(config: MoveConfig, deps: MoveDeps): Promise<Record<string, number>> {
  const { source, targets } = deps
  const journalFile = join(config.dir, 'journal.json')
  makeDirectory(config.dir)
  const journal = (readJsonFile(journalFile) as Journal | undefined) ?? { shards: targets.length, days: {} }
  if (journal.shards !== targets.length)
    throw new OperatorError(
      'move_shards',
      `the move began with ${journal.shards} shards, and the configuration has ${targets.length} now`,
      { hint: 'list the servers of the same shards again until it is done' },
    )

  async function note(name: string, progress: Progress): Promise<void> {
    journal.days[name] = progress
    await writeJsonFile(journalFile, journal)
  }

  async function rowsOf(sql: string): Promise<readonly (readonly Cell[])[]> {
    return (await source.query(sql, { timeoutMs: STEP_MS })).rows
  }

  /** Whole seconds, so many that they hold about so many rows; the same ones each time. */
  async function piecesOf({ table: { name, time }, portion, where }: Load, day: string): Promise<Piece[]> {
    const pieces: Piece[] = []
    const most = config.pieceRows ?? 250_000
    for (const [second, rows] of await rowsOf(
      `SELECT toUnixTimestamp64Milli(${time}) DIV 1000 AS second, count() FROM ${name} WHERE ${where} AND ${portion} = ${day} GROUP BY second ORDER BY second`,
    )) {
      const last = pieces.at(-1)
      if (last && last.rows + Number(rows) <= most) {
        last.to = Number(second)
        last.rows += Number(rows)
      } else pieces.push({ from: Number(second), to: Number(second), rows: Number(rows) })
    }
    return pieces
  }

  async function moveDay(load: Load, day: string, rows: number, target: Target): Promise<void> {
    const { table, portion, where } = load
    const { name, time } = table
    const { stored } = target.home
    const key = `${name}/${day}`
    const columns = table.columns.map((c) => c.name)
    const count = async (): Promise<number> => {
      const there = await target.query(`SELECT count() FROM ${stored(`${name}_moving`)} WHERE ${portion} = ${day}`)
      return Number(there.rows[0]?.[0])
    }
    if (journal.days[key] === undefined) {
      for (const { from, to } of await piecesOf(load, day)) {
        const bytes = await source.queryBytes(
          `SELECT ${columns.join(', ')} FROM ${name} WHERE ${where} AND ${portion} = ${day} AND toUnixTimestamp64Milli(${time}) DIV 1000 BETWEEN ${from} AND ${to}`,
          'Native',
          { timeoutMs: STEP_MS },
        )
        const file = join(config.dir, 'piece.native')
        await writeFile(file, bytes)
        await again(() => target.insertInto(stored(`${name}_moving`), columns, [file], `move-${name}-${day}-${from}`))
        await rm(file)
      }
      const there = await again(count)
      if (there !== rows)
        throw new OperatorError('move_count', `of ${rows} rows of ${name} of ${day}, ${there} got to the servers`, {
          hint: 'the old store must not change meanwhile; delete the journal, drop the tables whose names end in _moving, and begin again',
        })
      await note(key, 'there')
    }
    // A replica moves what it has fetched.
    const sync = async (): Promise<void> => {
      if (target.home.on !== '') await again(() => target.execute(`SYSTEM SYNC REPLICA ${stored(`${name}_moving`)}`))
    }
    if (name === FLOWS.name && journal.days[key] === 'there') {
      await sync()
      // Before they can be asked for: until they are summed up, no rollup says that it has them.
      if (Number(day) >= firstRolled) await again(() => target.execute(toldStatement(target, day, rows)))
      await note(key, 'told')
    }
    for (let i = 0; i < MOVE_TRIES; i++) {
      await sync()
      await again(() =>
        target.execute(`ALTER TABLE ${stored(`${name}_moving`)} MOVE PARTITION ID '${day}' TO TABLE ${stored(name)}`),
      )
      if ((await again(count)) === 0) return note(key, 'moved')
    }
    throw new OperatorError('move_partition', `${name} of ${day} could not be moved to its table`, { retryable: true })
  }

  /** What tells of times before, of one month, to the shard that gets their rollups. */
  async function tell(table: TableDefinition, sql: string): Promise<void> {
    const columns = table.columns.map((c) => c.name)
    const months = await rowsOf(`SELECT DISTINCT toString(toYYYYMM(${table.time})) FROM (${sql})`)
    for (const month of months.map(([name]) => String(name))) {
      const target = targets[shardOfMonth(month, 0, targets.length)] as Target
      const bytes = await source.queryBytes(
        `SELECT ${columns.join(', ')} FROM (${sql}) WHERE toYYYYMM(${table.time}) = ${month} ORDER BY ALL`,
        'Native',
        { timeoutMs: STEP_MS },
      )
      const file = join(config.dir, 'piece.native')
      await writeFile(file, bytes)
      const token = `move-${table.name}-${month}`
      await again(() => target.insertInto(target.home.stored(table.name), columns, [file], token))
      await rm(file)
    }
  }

  const { rows: gone } = await source.query(
    "SELECT table, toUnixTimestamp(max(until)) FROM dropped WHERE table != 'clock' GROUP BY table ORDER BY table",
  )
  const goneUntil = Number(gone.find(([table]) => table === FLOWS.name)?.[1] ?? 0)
  /** Start of the first day of which all flows are there. */
  const rolledFrom = Math.ceil(goneUntil / DAY) * DAY
  const firstRolled = Number(new Date(rolledFrom * 1000).toISOString().slice(0, 10).replaceAll('-', ''))
  const isBefore = (time: string): string => `${time} < toDateTime(${rolledFrom}, 'UTC')`
  const moved: Record<string, number> = {}

  async function move(load: Load): Promise<void> {
    const { table } = load
    const days = (await rowsOf(
      `SELECT toString(${load.portion}) AS day, count() FROM ${table.name} WHERE ${load.where} GROUP BY day ORDER BY day`,
    )) as [string, number][]
    if (days.length === 0) return
    for (const target of targets) {
      const full = [...TABLES, ...rollupDefinitions(target.home)].find(({ name }) => name === table.name)
      const staging = createTable({ ...(full ?? table), name: `${table.name}_moving` }, target.schema)
      await again(() => target.execute(staging))
    }
    for (const [i, [day, rows]] of days.entries()) {
      if (journal.days[`${table.name}/${day}`] !== 'moved') {
        await moveDay(load, day, rows, targets[load.shardOf(day, i, targets.length)] as Target)
        deps.say?.(`${table.name} of ${day}: ${rows} rows`)
      }
      moved[table.name] = (moved[table.name] ?? 0) + rows
    }
    const [first] = targets
    if (first)
      await again(() =>
        first.execute(`DROP TABLE IF EXISTS ${first.home.stored(`${table.name}_moving`)}${first.home.on} SYNC`),
      )
  }

  const [first] = targets
  if (goneUntil > 0 && first) {
    const rows = [...gone, ['moved', rolledFrom]]
      .map(([table, until]) => `('${String(table)}', ${Number(until)})`)
      .join(', ')
    const note = `INSERT INTO ${first.home.stored(DROPPED.name)} SELECT t.1, toDateTime(t.2, 'UTC') FROM (SELECT arrayJoin([${rows}]) AS t)`
    await again(() => first.execute(note))
    await tell(ARRIVALS, `SELECT time, sum(flows) AS flows FROM arrivals WHERE ${isBefore('time')} GROUP BY time`)
    for (const table of ROLLUP_DEFINITIONS)
      await move({
        table,
        portion: table.partitionBy ?? `toYYYYMM(${table.time})`,
        where: isBefore(table.time),
        shardOf: shardOfMonth,
      })
    await tell(
      ROLLED,
      `SELECT level, time, max(flows) AS flows, max(left_out) AS left_out FROM rolled WHERE ${isBefore('time')} GROUP BY level, time`,
    )
  }
  for (const table of TABLES)
    await move({
      table,
      portion: `toYYYYMMDD(${table.time})`,
      where: '1',
      shardOf: (_day, i, shards) => i % shards,
    })
  return moved
}

type Target = MoveDeps['targets'][number]

/** All that tells of a time and sums it up goes to one shard: there the one is held against the other. */
function shardOfMonth(portion: string, _index: number, shards: number): number {
  return (Number(portion.slice(0, 4)) * 12 + Number(portion.slice(4, 6))) % shards
}

/** Counts the flows of a day as the view does those that come; fails where a replica has not got all of them. */
function toldStatement({ home, collector }: Target, day: string, rows: number): string {
  const each = `SELECT toDateTime(toStartOfMinute(time_received), 'UTC') AS time, count() AS n FROM ${home.stored(`${FLOWS.name}_moving`)} WHERE toYYYYMMDD(time_received) = ${day} GROUP BY time`
  return `INSERT INTO ${home.stored(ARRIVALS.name)} (time, flows) SELECT time, n FROM (SELECT time, n, sum(n) OVER () AS found FROM (${each})) WHERE throwIf(found != ${rows}, 'flows are missing') = 0 SETTINGS insert_deduplicate = 1, deduplicate_insert_select = 'enable_even_for_bad_queries', insert_deduplication_token = '${collector()} move ${day}', min_insert_block_size_rows = 1000000, max_insert_threads = 1`
}

const TRY_AGAIN_MS = [200, 500, 1000, 2000, 5000, 10_000, 20_000]

/** Servers that are away for a minute do not end it. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (const wait of TRY_AGAIN_MS) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof OperatorError) || !error.retryable) throw error
      await new Promise((resolve) => setTimeout(resolve, wait))
    }
  }
  return work()
}
