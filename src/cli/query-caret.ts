import { UserError } from '../base/errors.ts'
import { FilterError, type FilterProblem } from '../query/filter/problem.ts'

// What is wrong with a filter, shown where it is wrong.

/** The error with the filter in it, if it is one of it. Names of saved filters, exporters and AS are known only to whom is asked. */
export function withFilter(error: unknown, filter: string, asked = filter): unknown {
  if (!(error instanceof FilterError)) return error
  const { message, position = 0, length, expected, hint } = error
  // What -t puts around the filter is not the user's.
  const at = Math.max(0, position - asked.indexOf(filter))
  return new UserError(
    withCaret(filter, { message, position: at, length, expected }),
    hint === undefined ? {} : { hint },
  )
}

/** The message with the line in question and a caret under its wrong character. */
export function withCaret(filter: string, problem: FilterProblem): string {
  const start = filter.lastIndexOf('\n', problem.position - 1) + 1
  const end = filter.indexOf('\n', problem.position)
  const line = filter.slice(start, end < 0 ? undefined : end).replaceAll('\t', ' ')
  const caret =
    ' '.repeat(problem.position - start) +
    '^'.repeat(Math.max(1, Math.min(problem.length, line.length - (problem.position - start))))
  return `${problem.message}\n  ${line}\n  ${caret}`
}
