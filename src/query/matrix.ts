import { UserError } from '../base/errors.ts'
import type { Row } from './measure.ts'
import type { Prepared } from './question.ts'
import type { Provenance, Run } from './run.ts'
import { top } from './top.ts'

// Who talks to whom: the greatest combinations of two to five dimensions, as the links of a matrix or Sankey.

export interface MatrixAnswer extends Provenance {
  columns: string[]
  links: Row[]
  other?: Row
  total: Row
}

export async function matrix(prepared: Prepared, limit: number, run: Run): Promise<MatrixAnswer> {
  const count = prepared.dimensions.length
  if (count < 2 || count > 5)
    throw new UserError('a matrix needs two to five dimensions', { hint: 'for example by: ["src_vm", "dst_vm"]' })
  const { rows, groups: _, ...rest } = await top(prepared, limit, run)
  return { ...rest, links: rows }
}
