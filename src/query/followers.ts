import type { Clock } from '../base/clock.ts'
import { columnNamed, type ColumnDefinition } from '../flow/columns.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { cellAsJson } from '../flow/row-json.ts'
import { DECODERS, type KeyValue } from './dimensions.ts'
import type { Condition } from './filter/condition-tree.ts'
import { compiled, type Predicate } from './predicate.ts'

// Who looks at flows as they come: each has a filter, and gets the rows that match, as many as it takes and no more than is good for
// the pipeline. What is left out is counted.

export interface FollowersConfig {
  /** Rows a second that one of them gets at most. Default 1000. */
  readonly rowsPerSecond?: number
  /** Rows that one of them may have before it takes them. Default 5000. */
  readonly rowsAhead?: number
}

export interface FollowersDeps {
  readonly clock: Clock
  /** @param missed rows that matched and were left out since the last time */
  readonly send: (id: number, rows: KeyValue[][], missed: number) => void
}

export interface Followers {
  /** @param columns names of columns of a flow, as its rows are to have them */
  add(id: number, condition: Condition, columns: readonly string[]): void
  remove(id: number): void
  /** Rows that were taken: as many more may be sent. */
  taken(id: number, rows: number): void
  /** Rows as they are about to be kept, with their names. Never throws. */
  offer(batch: FlowBatch, names: readonly string[]): void
}

interface Follower {
  readonly select: Predicate['select']
  readonly columns: readonly ColumnDefinition[]
  ahead: number
  second: number
  inSecond: number
  missed: number
}

const SECOND_MS = 1000

export function createFollowers(config: FollowersConfig, deps: FollowersDeps): Followers {
  const { rowsPerSecond = 1000, rowsAhead = 5000 } = config
  const followers = new Map<number, Follower>()
  let selected = new Uint32Array(0)

  function show(id: number, follower: Follower, batch: FlowBatch, names: readonly string[]): void {
    const second = Math.floor(deps.clock.now() / SECOND_MS)
    if (second !== follower.second) {
      follower.second = second
      follower.inSecond = 0
    }
    const count = follower.select(batch, names, selected)
    const room = Math.max(0, Math.min(rowsPerSecond - follower.inSecond, rowsAhead - follower.ahead))
    const shown = Math.min(count, room)
    follower.missed += count - shown
    if (shown === 0) return
    const rows: KeyValue[][] = []
    for (let i = 0; i < shown; i++) rows.push(rowOf(batch, selected[i] as number, names, follower.columns))
    follower.inSecond += shown
    follower.ahead += shown
    deps.send(id, rows, follower.missed)
    follower.missed = 0
  }

  return {
    add(id, condition, names) {
      const columns = names.map((name) => columnNamed(name)).filter((column) => column !== undefined)
      followers.set(id, { select: compiled(condition), columns, ahead: 0, second: 0, inSecond: 0, missed: 0 })
    },
    remove: (id) => void followers.delete(id),
    taken(id, rows) {
      const follower = followers.get(id)
      if (follower) follower.ahead = Math.max(0, follower.ahead - rows)
    },
    offer(batch, names) {
      if (followers.size === 0) return
      if (selected.length < batch.n) selected = new Uint32Array(batch.capacity)
      for (const [id, follower] of followers) {
        try {
          show(id, follower, batch, names)
        } catch {
          // Looking on must not keep a flow from being kept.
          followers.delete(id)
        }
      }
    },
  }
}

/** Values of a row as a list of flows has them. */
function rowOf(
  batch: FlowBatch,
  row: number,
  names: readonly string[],
  columns: readonly ColumnDefinition[],
): KeyValue[] {
  return columns.map((column) => {
    if (column.format === 'time') {
      const words = batch[column.name as 'time_received']
      return (words[2 * row + 1] as number) * 2 ** 32 + (words[2 * row] as number)
    }
    return DECODERS[column.format](cellAsJson(batch, column, row, names))
  })
}
