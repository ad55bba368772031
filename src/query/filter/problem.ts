import { UserError } from '../../base/errors.ts'

/** What is wrong with a filter, at which character, and what would be right. */
export interface FilterProblem {
  readonly message: string
  /** First character that is wrong; the length of the text if something is missing at its end. */
  readonly position: number
  readonly length: number
  readonly expected: readonly string[]
  readonly hint?: string
}

/** A filter that can't be understood. */
export class FilterError extends UserError {
  readonly length: number
  readonly expected: readonly string[]

  constructor(problem: FilterProblem) {
    super(problem.message, {
      position: problem.position,
      ...(problem.hint === undefined ? {} : { hint: problem.hint }),
    })
    this.name = 'FilterError'
    this.length = problem.length
    this.expected = problem.expected
  }
}

/** `a, b or c`. */
export function listed(words: readonly string[]): string {
  if (words.length < 2) return words[0] ?? ''
  return `${words.slice(0, -1).join(', ')} or ${words[words.length - 1]}`
}

/** The words nearest to a mistyped one, best first; at most three. */
export function nearest(word: string, candidates: Iterable<string>): string[] {
  const wanted = word.toLowerCase()
  const limit = Math.max(1, Math.floor(wanted.length / 3))
  const found: { text: string; score: number }[] = []
  for (const text of candidates) {
    const lower = text.toLowerCase()
    const score = lower.startsWith(wanted) && wanted.length > 1 ? 0.5 : distance(wanted, lower)
    if (score <= limit) found.push({ text, score })
  }
  return found
    .sort((a, b) => a.score - b.score)
    .slice(0, 3)
    .map((f) => f.text)
}

/** Edits between two words (Levenshtein, with a swap of neighbours as one). */
function distance(a: string, b: string): number {
  let before: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const now = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let best = Math.min((now[j - 1] as number) + 1, (last[j] as number) + 1, (last[j - 1] as number) + same)
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] as number) + 1)
      now.push(best)
    }
    before = last
    last = now
  }
  return last[b.length] as number
}
