import type { DatabaseSync } from 'node:sqlite'
import type { Event, EventKind } from '../api/contract/events.ts'
import type { Clock } from '../base/clock.ts'
import { BugError } from '../base/errors.ts'
import { openStateDatabase, type StatePart } from '../base/state-database.ts'
import { durationWords } from './duration-words.ts'

// What happened beside the traffic and may explain a step or a gap in it: the server was away, the store was, flows were refused, an
// exporter fell silent, came back, restarted, or samples otherwise. Looked for every so often, kept for long, bounded.

const PART: StatePart = {
  name: 'events',
  steps: [
    `CREATE TABLE events (
       id INTEGER PRIMARY KEY, at INTEGER NOT NULL, since INTEGER, kind TEXT NOT NULL, exporter TEXT, text TEXT NOT NULL
     ) STRICT;
     CREATE INDEX events_at ON events (at);
     CREATE TABLE alive (at INTEGER NOT NULL) STRICT;
     INSERT INTO alive (at) VALUES (0)`,
    'CREATE INDEX events_kind ON events (kind, id)',
  ],
}

/** What is looked at. */
export interface Seen {
  readonly exporters: readonly SeenExporter[]
  readonly store: { readonly state: string; readonly since: number; readonly restarts: number }
  /** Since the server started. */
  readonly kernelDropped: number
  readonly spoolRefused: number
  readonly queueDropped: number
}

export interface SeenExporter {
  readonly address: string
  readonly name: string | null
  readonly state: 'heard' | 'silent'
  readonly lastHeard: number
  readonly firstHeard: number
  readonly sampling: readonly { readonly rate: number }[]
  readonly streams: readonly { readonly restarts: number }[]
}

export interface Events {
  /** @throws OperatorError `state_database` */
  start(): void
  stop(): void
  /** The newest of those of a time, the oldest first; also what began in it or before, and ended later. */
  list(asked: { from: number; to: number; limit?: number | undefined }): { events: Event[]; more: boolean }
  /** Looks once; start() does so every so often. */
  look(): Promise<void>
}

const LOOK_MS = 15_000
/** Looking takes at most one part in so many of the time. */
const SELDOM = 50
const ALIVE_MS = LOOK_MS
/** A start after less than this leaves little to explain; and after a sudden end, nobody knows it more exactly. */
const AWAY_MS = 30_000
/** Who is first heard so soon after the start is heard as before it. */
const SETTLED_MS = 300_000
/** Of each kind: exporters, which anybody can pretend to be, do not crowd out that the server was away. */
const KEPT = 3000
/** Of one look: more exporters than these fall silent for one reason, and are one event. */
const AT_ONCE = 10
/** Sampling rates that are named. */
const FEW_RATES = 5
const MOST = 1000
const USUAL = 200

export interface EventsDeps {
  readonly clock: Clock
  readonly see: () => Promise<Seen>
  readonly version: string
}

export interface EventsConfig {
  readonly file: string
  /** Of each kind. Default 3000. */
  readonly kept?: number
}

export function createEvents({ file, kept = KEPT }: EventsConfig, { clock, see, version }: EventsDeps): Events {
  let opened: DatabaseSync | undefined
  let timer: NodeJS.Timeout | undefined
  let startedAt = 0
  let aliveAt = 0
  let before: Seen | undefined
  const known = new Map<string, SeenExporter>()

  function database(): DatabaseSync {
    if (!opened) throw new BugError('events were asked for before they were started')
    return opened
  }

  function add(kind: EventKind, text: string, more: { at?: number; since?: number; exporter?: string } = {}): void {
    database()
      .prepare('INSERT INTO events (at, since, kind, exporter, text) VALUES (?, ?, ?, ?, ?)')
      .run(Math.floor(more.at ?? clock.now()), more.since ?? null, kind, more.exporter ?? null, text)
    database()
      .prepare(
        'DELETE FROM events WHERE kind = ? AND id <= (SELECT id FROM events WHERE kind = ? ORDER BY id DESC LIMIT 1 OFFSET ?)',
      )
      .run(kind, kind, kept)
  }

  function alive(now: number): void {
    aliveAt = now
    database().prepare('UPDATE alive SET at = ?').run(now)
  }

  function started(): void {
    const now = clock.now()
    startedAt = now
    const last = Number(database().prepare('SELECT at FROM alive').get()?.['at'] ?? 0)
    const away = now - last
    if (last === 0) add('started', `vnetscope ${version} started; nothing is known of the time before`)
    else if (away < AWAY_MS) add('started', `vnetscope ${version} started again`)
    else
      add('started', `vnetscope ${version} started; it was away for about ${durationWords(away)}`, {
        ...(away > 0 ? { since: last } : {}),
      })
    alive(now)
  }

  function compare(seen: Seen, past: Seen | undefined): void {
    compareExporters(seen.exporters)
    if (!past) return
    const { store } = seen
    if (store.restarts > past.store.restarts) add('store', 'the store was started again')
    else if (store.state !== past.store.state) {
      if (store.state === 'ready') add('store', 'the store answers again', { since: past.store.since })
      else if (past.store.state === 'ready')
        add('store', 'the store is away; what comes waits in the spool', { at: store.since })
    }
    // One event when it begins, none while it goes on.
    const begins = (name: 'kernelDropped' | 'spoolRefused' | 'queueDropped'): boolean => {
      const grows = seen[name] > past[name]
      const grew = growing.has(name)
      if (grows) growing.add(name)
      else growing.delete(name)
      return grows && !grew
    }
    if (begins('kernelDropped')) add('lost', 'datagrams were lost: they came faster than they could be read')
    if (begins('queueDropped')) add('lost', 'flows were dropped: they came faster than they could be taken on')
    if (begins('spoolRefused')) add('lost', 'flows were refused: the spool was full, or could not be written')
  }
  const growing = new Set<string>()

  function compareExporters(exporters: readonly SeenExporter[]): void {
    const found: { kind: EventKind; exporter: SeenExporter; at: number; text: string; since?: number }[] = []
    for (const exporter of exporters) {
      const past = known.get(exporter.address)
      known.set(exporter.address, exporter)
      const { state, lastHeard, firstHeard } = exporter
      if (!past) {
        if (firstHeard > startedAt + SETTLED_MS)
          found.push({ kind: 'exporter_heard', exporter, at: firstHeard, text: 'is heard for the first time' })
        continue
      }
      if (state === 'silent' && past.state === 'heard')
        found.push({ kind: 'exporter_silent', exporter, at: lastHeard, text: 'fell silent' })
      if (state === 'heard' && past.state === 'silent')
        found.push({
          kind: 'exporter_heard',
          exporter,
          at: clock.now(),
          since: past.lastHeard,
          text: `is heard again after ${durationWords(clock.now() - past.lastHeard)}`,
        })
      if (restartsOf(exporter) > restartsOf(past) && state === 'heard')
        found.push({
          kind: 'exporter_restarted',
          exporter,
          at: clock.now(),
          text: 'began its numbers anew: it restarted',
        })
      const [was, is] = [ratesOf(past), ratesOf(exporter)]
      if (was !== '' && is !== '' && was !== is)
        found.push({
          kind: 'sampling',
          exporter,
          at: clock.now(),
          text: `samples ${wordsOf(exporter)}, before ${wordsOf(past)}`,
        })
    }
    // Whom the list no longer has was forgotten, and is new when it comes again.
    if (known.size > 2 * exporters.length + MOST) {
      const listed = new Set(exporters.map(({ address }) => address))
      for (const address of known.keys()) if (!listed.has(address)) known.delete(address)
    }
    for (const kind of new Set(found.map((one) => one.kind))) {
      const those = found.filter((one) => one.kind === kind)
      const [first] = those
      if (first === undefined) continue
      if (those.length > AT_ONCE) {
        add(kind, `${those.length} exporters: ${nameOf(first.exporter)} and others ${PLURAL[kind] ?? 'changed'}`, {
          at: Math.min(...those.map(({ at }) => at)),
        })
        continue
      }
      for (const { exporter, at, text, since } of those)
        add(kind, `${nameOf(exporter)} ${text}`, {
          at,
          exporter: exporter.address,
          ...(since === undefined ? {} : { since }),
        })
    }
  }

  async function look(): Promise<void> {
    const now = clock.now()
    // Whatever can be seen: a part that does not answer is not the server that is away.
    if (Math.abs(now - aliveAt) >= ALIVE_MS) alive(now)
    const seen = await see()
    if (!opened) return
    // All of a look is written to disk at once.
    opened.exec('BEGIN IMMEDIATE')
    try {
      compare(seen, before)
      opened.exec('COMMIT')
    } catch (error) {
      opened.exec('ROLLBACK')
      throw error
    }
    before = seen
  }

  function soon(afterMs: number): void {
    timer = setTimeout(() => {
      const begun = performance.now()
      look()
        .catch(() => undefined)
        .finally(() => {
          if (opened) soon(Math.max(LOOK_MS, SELDOM * (performance.now() - begun)))
        })
    }, afterMs).unref()
  }

  return {
    start() {
      opened = openStateDatabase(file, [PART])
      started()
      soon(LOOK_MS)
    },
    stop() {
      clearTimeout(timer)
      if (!opened) return
      alive(clock.now())
      opened.close()
      opened = undefined
    },
    list({ from, to, limit = USUAL }) {
      const most = Math.min(limit, MOST)
      const rows = database()
        .prepare(
          'SELECT id, at, since, kind, exporter, text FROM events WHERE at >= ? AND coalesce(since, at) < ? ORDER BY at DESC, id DESC LIMIT ?',
        )
        .all(from, to, most + 1)
      const events = rows.slice(0, most).map((row): Event => ({
        at: Number(row['at']),
        since: row['since'] === null ? null : Number(row['since']),
        kind: row['kind'] as EventKind,
        exporter: row['exporter'] as string | null,
        text: String(row['text']),
      }))
      return { events: events.toReversed(), more: rows.length > most }
    },
    look,
  }
}

const PLURAL: Partial<Readonly<Record<EventKind, string>>> = {
  exporter_silent: 'fell silent',
  exporter_heard: 'are heard',
  exporter_restarted: 'restarted',
  sampling: 'sample otherwise',
}

function nameOf({ name, address }: SeenExporter): string {
  return name ?? address
}

function restartsOf({ streams }: SeenExporter): number {
  return streams.reduce((sum, { restarts }) => sum + restarts, 0)
}

function ratesOf({ sampling }: SeenExporter): string {
  return [...new Set(sampling.map(({ rate }) => rate))].toSorted((a, b) => a - b).join(', ')
}

/** `1 in 100, 400` */
function wordsOf(exporter: SeenExporter): string {
  const rates = ratesOf(exporter).split(', ')
  const more = rates.length > FEW_RATES ? ` and ${rates.length - FEW_RATES} more` : ''
  return `1 in ${rates.slice(0, FEW_RATES).join(', ')}${more}`
}
