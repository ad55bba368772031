import { BugError } from '../base/errors.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import type { FilterNode } from './filter/ast.ts'
import type { Condition } from './filter/condition-tree.ts'
import { conditionOf, type ConditionOptions } from './filter/condition.ts'
import { NameVerdicts } from './name-verdicts.ts'
import { HELPERS, predicateCode, type Helpers, type Table } from './predicate-code.ts'

// A filter as a loop over the columns of a batch, for what looks at flows as they come (followers.ts). It means what the SQL of the
// same filter means (both are made of filter/condition.ts), and allocates nothing for a row.

export interface Predicate {
  /**
   * Writes the indices of the rows that match into `into`, ascending, and answers how many there are.
   * @param names the table into which the batch's `name` columns point: each name once, '' first; it may grow from call to call,
   *   but what an index means never changes (as in the inventory). Another array is another table.
   * @param into has room for every row of the batch
   */
  select(batch: FlowBatch, names: readonly string[], into: Uint32Array): number
  /** Looks up names of exporters, of AS and of saved filters anew; for when these have changed. @throws FilterError */
  refresh(): void
}

type Loop = (batch: FlowBatch, into: Uint32Array, tables: readonly Table[], helpers: Helpers) => number

/**
 * Compiles the filter. Rows that another observation point counts too are among those that it finds, unless it says `counted`; sums that are
 * to agree with those of questions leave them out. A name of an exporter or of an AS that nobody knows matches nothing until `refresh` finds it.
 * @throws FilterError for a saved filter that is unknown or wrong
 */
export function createPredicate(tree: FilterNode, options: ConditionOptions = {}): Predicate {
  let made = ''
  let select: Predicate['select'] = () => 0

  function refresh(): void {
    const condition = conditionOf(tree, { ...options, unknownNames: 'nothing' })
    const asked = JSON.stringify(condition)
    if (asked === made) return
    select = compiled(condition)
    made = asked
  }

  refresh()
  return { select: (batch, names, into) => select(batch, names, into), refresh }
}

/** The loop of a condition, whose names of exporters and AS are numbers already. */
export function compiled(condition: Condition): Predicate['select'] {
  const code = predicateCode(condition)
  // The text is made of numbers and of the names of our own columns alone: see predicate-code.ts.
  // oxlint-disable-next-line no-implied-eval, no-new-func
  const loop = new Function('batch', 'into', 'tables', 'helpers', code.source) as Loop
  const tables: Table[] = code.tables.map((table) => (table instanceof NameVerdicts ? new Uint8Array(0) : table))
  const verdicts = code.tables.flatMap((table, i) => (table instanceof NameVerdicts ? [{ table: i, of: table }] : []))
  return (batch, names, into) => {
    if (into.length < batch.n) throw new BugError(`${batch.n} rows don't fit into a selection of ${into.length}`)
    for (const { table, of } of verdicts) tables[table] = of.over(names)
    return loop(batch, into, tables, HELPERS)
  }
}
