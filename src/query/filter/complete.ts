import type { Side } from './ast.ts'
import { quoteName } from './format.ts'
import { NOUNS, nounNamed, type Noun } from './nouns.ts'
import { columnNamed } from '../../flow/columns.ts'
import { wantedAfter } from './parse.ts'
import type { Want } from './parse-cursor.ts'
import { fixedValues, expectation } from './values.ts'

// What an editor offers at a place in the text.

export interface CompletionOption {
  /** What is put in place of the characters from `from` to the position. */
  readonly label: string
  readonly kind: 'noun' | 'side' | 'operator' | 'logic' | 'value' | 'filter'
  readonly detail?: string
}

export interface Completion {
  /** First character of the word being typed. */
  readonly from: number
  readonly options: readonly CompletionOption[]
  /** Live values would fit too: ask GET /api/v1/values for the column, and quote a name by `quoteName(noun, name)`. */
  readonly values?: { readonly column: string; readonly noun: string; readonly prefix: string }
  /** What is expected, in words; empty if the text is wrong before this place. */
  readonly expected: string
}

const SIDES = new Set(['src', 'dst', 'in', 'out'])
const LOGIC = new Set(['and', 'or', 'not', 'any', '(', ')', '!'])
const SIDE_DETAIL: Readonly<Record<string, string>> = {
  src: 'source side',
  dst: 'destination side',
  in: 'input side',
  out: 'output side',
}
/** Behind a noun, where comparators fit. */
const OPERATOR_DETAIL: Readonly<Record<string, string>> = { in: 'one of a list', like: 'a pattern with *' }
const LOGIC_DETAIL: Readonly<Record<string, string>> = {
  and: 'both',
  or: 'one of them',
  not: 'the opposite',
  any: 'everything',
}

/** What can stand at `position` of a filter, best first; `filters` are the names of those that are saved. */
export function completeFilter(text: string, position: number, filters: readonly string[] = []): Completion {
  const before = text.slice(0, position)
  const typed =
    /(?:"[^"]*|'[^']*|[^\s()[\],=<>!#"'&|]*)$/.exec(
      insideQuotes(before) ? before.slice(openQuote(before)) : before,
    )?.[0] ?? ''
  const from = position - typed.length
  const prefix = typed.replace(/^["']/, '')
  const wants = wantedAfter(before.slice(0, from))
  const compares = wants.some((want) => 'text' in want && want.text === '=')
  const options: CompletionOption[] = []
  const seen = new Set<string>()
  for (const want of inOrder(wants, prefix)) {
    for (const option of want.type === 'filter' ? filters.map(savedFilter) : optionsOf(want, compares)) {
      if (seen.has(option.label) || !matches(option.label, prefix)) continue
      seen.add(option.label)
      options.push(option)
    }
  }
  const value = wants.find((want) => want.type === 'value')
  const column = value?.type === 'value' ? valueColumn(value.noun, value.side) : undefined
  return {
    from,
    options,
    ...(column !== undefined && value?.type === 'value' ? { values: { column, noun: value.noun.name, prefix } } : {}),
    expected:
      value?.type === 'value' ? expectation(value.noun) : wants.length === 0 ? '' : 'a word of the filter language',
  }
}

/** Sides first, then nouns as the vocabulary has them; other ways to write a noun only where its own name doesn't fit. */
function inOrder(wants: readonly Want[], prefix: string): Want[] {
  const rank = (want: Want): number => {
    if (want.type === 'value') return -1
    if (want.type === 'filter') return NOUNS.length + 2
    if (want.type === 'noun') return 1 + NOUNS.indexOf(want.noun)
    return SIDES.has(want.text) ? 0 : LOGIC.has(want.text) ? NOUNS.length + 1 : 0
  }
  return wants
    .filter((want) => want.type !== 'noun' || want.phrase === want.noun.name || !matches(want.noun.name, prefix))
    .toSorted((a, b) => rank(a) - rank(b))
}

/** A live value as it must be written behind its noun. */
export function completedValue(noun: string, value: string): string {
  const kind = nounNamed(noun)?.kind
  return kind === 'name' || noun === 'exporter' ? quoteName(noun, value) : value
}

function savedFilter(name: string): CompletionOption {
  return { label: `@${name}`, kind: 'filter', detail: 'saved filter' }
}

function optionsOf(want: Exclude<Want, { type: 'filter' }>, compares: boolean): CompletionOption[] {
  if (want.type === 'noun') return [{ label: want.phrase, kind: 'noun', detail: want.noun.describe }]
  if (want.type === 'value') return fixedValues(want.noun).map((label) => ({ label, kind: 'value' }))
  const { text } = want
  const operator = compares ? OPERATOR_DETAIL[text] : undefined
  if (operator !== undefined) return [{ label: text, kind: 'operator', detail: operator }]
  if (SIDES.has(text)) {
    const detail = SIDE_DETAIL[text] as string
    return [{ label: text, kind: 'side', detail }]
  }
  if (!LOGIC.has(text)) return [{ label: text, kind: 'operator' }]
  const detail = LOGIC_DETAIL[text]
  return [{ label: text, kind: 'logic', ...(detail ? { detail } : {}) }]
}

function matches(label: string, prefix: string): boolean {
  return label.toLowerCase().startsWith(prefix.toLowerCase())
}

/** `src vm` → src_vm; `vm` → vm: the derived dimension of both sides. */
function valueColumn(noun: Noun, side: Side | undefined): string | undefined {
  if (side === undefined) return noun.complete
  const column = noun.complete === undefined ? undefined : noun.columns[side]?.[0]
  return column !== undefined && columnNamed(column)?.dimension ? column : undefined
}

function openQuote(text: string): number {
  let open = -1
  for (let i = 0; i < text.length; i++) {
    const sign = text[i]
    if (open >= 0) {
      if (sign === '\\') i++
      else if (sign === text[open]) open = -1
    } else if (sign === '"' || sign === "'") open = i
  }
  return open
}

function insideQuotes(text: string): boolean {
  return openQuote(text) >= 0
}
