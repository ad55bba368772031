// When a question may be answered from tables that know the greatest alone.
import type { QuestionKind } from './client.ts'

const ROUGH_FROM_MS = 24 * 3_600_000

/** Over long times rare addresses, ports and systems may be counted with the rest, unless they are asked for: the answer says so. */
export function isRough(kind: QuestionKind, widthMs: number, exact: boolean): boolean {
  return !exact && widthMs > ROUGH_FROM_MS && kind !== 'flows' && kind !== 'distinct'
}
