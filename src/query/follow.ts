import type { ColumnDefinition } from '../flow/columns.ts'
import type { KeyValue } from './dimensions.ts'
import type { Condition } from './filter/condition-tree.ts'
import { conditionOf, type ConditionOptions } from './filter/condition.ts'
import { parsedFilter } from './filter/parse.ts'
import { OperatorError } from '../base/errors.ts'
import { columnsNamed } from './flows.ts'

// Flows as they come, for whoever asks: the filter is read here, and looked for where the rows are.

export interface FollowAsked {
  readonly filter?: string | undefined
  /** Columns of a row; the usual ones if there are none. */
  readonly by?: readonly string[] | undefined
}

export interface Shown {
  readonly rows: KeyValue[][]
  /** Rows that matched and were left out before these: too many a second, or too many that were not taken. */
  readonly missed: number
}

export interface Following {
  readonly columns: readonly Pick<ColumnDefinition, 'name' | 'label' | 'format'>[]
  /** Goes on until it is ended, or the server stops. First, and where nothing comes for long, without rows. */
  readonly shown: AsyncIterable<Shown>
}

/** Where the rows come by. */
export interface FlowSource {
  follow(condition: Condition, columns: readonly string[], take: (shown: Shown) => void, ended: () => void): Followed
}

export interface Followed {
  taken(rows: number): void
  end(): void
}

/** Rejects with FilterError or UserError for what is asked wrongly, with `follow_busy` if too many follow. */
export type Follow = (asked: FollowAsked, signal: AbortSignal) => Following

const MOST = 32
/** So often something comes, that nobody between takes the connection for dead. */
const BEAT_MS = 15_000
const NOTHING: Shown = { rows: [], missed: 0 }

export function createFollow(source: FlowSource, options: ConditionOptions): Follow {
  let following = 0

  return (asked, signal) => {
    const columns = columnsNamed([...new Set(asked.by ?? [])])
    const condition = conditionOf(parsedFilter(asked.filter ?? ''), options)
    if (following >= MOST)
      throw new OperatorError('follow_busy', `${MOST} already look at flows as they come`, {
        retryable: true,
        hint: 'close one of them, or ask later',
      })
    const names = columns.map(({ name }) => name)
    return {
      columns: columns.map(({ name, label, format }) => ({ name, label, format })),
      shown: stream(condition, names, signal),
    }
  }

  async function* stream(condition: Condition, names: string[], signal: AbortSignal): AsyncGenerator<Shown> {
    const waiting: Shown[] = [NOTHING]
    let over = signal.aborted
    let wake = (): void => undefined
    const end = (): void => {
      over = true
      wake()
    }
    const take = (shown: Shown): void => {
      waiting.push(shown)
      wake()
    }
    const beat = setInterval(() => take(NOTHING), BEAT_MS)
    following++
    const followed = source.follow(condition, names, take, end)
    signal.addEventListener('abort', end)
    try {
      while (!over) {
        const next = waiting.shift()
        if (next) {
          yield next
          // It was taken: more may come.
          if (next.rows.length > 0) followed.taken(next.rows.length)
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      clearInterval(beat)
      signal.removeEventListener('abort', end)
      followed.end()
      following--
    }
  }
}
