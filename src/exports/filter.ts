/**
 * The filter language of flows, in nfdump's words: `vlan 120 and dst port 443`. Runs in the browser too.
 *
 * - `parseFilter()`: text → tree, or what is wrong, at which character, and what would be right.
 * - `formatFilter()`: tree → text in its plainest form.
 * - `completeFilter()`: what may follow at a place in the text.
 * - `expandFilter()`: puts saved filters in the place of their `@names`.
 * - `filterColumns()`: the columns that a filter reads.
 * - `filterSql()`: tree → a condition in ClickHouse's SQL, its values as parameters.
 * @module
 */
export type { Comparator, FilterNode, Side, Single, Span, Test, Value } from '../query/filter/ast.ts'
export { mentions } from '../query/filter/ast.ts'
export { completeFilter, type Completion, type CompletionOption } from '../query/filter/complete.ts'
export { filterColumns } from '../query/filter/condition.ts'
export { expandFilter, namesIn, type NamedFilterOptions } from '../query/filter/expand.ts'
export { formatFilter, quoteName } from '../query/filter/format.ts'
export { NOUNS, type Noun, type NounKind } from '../query/filter/nouns.ts'
export { parsedFilter, parseFilter, type FilterResult } from '../query/filter/parse.ts'
export { FilterError, type FilterProblem } from '../query/filter/problem.ts'
export { filterSql, Params, type FilterSqlOptions } from '../query/filter/sql.ts'
