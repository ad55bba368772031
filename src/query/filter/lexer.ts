import { FilterError } from './problem.ts'

// Text → tokens. A word is anything between blanks and the few signs of the language, so that addresses, prefixes,
// ranges and names with dots or dashes need no quotes.

export type TokenKind = 'word' | 'string' | 'operator' | '(' | ')' | '[' | ']' | ',' | '!' | 'end'

export interface Token {
  readonly kind: TokenKind
  /** The word, the inside of the quotes, or the operator in its canonical form. */
  readonly text: string
  readonly from: number
  readonly to: number
}

const OPERATORS: Readonly<Record<string, string>> = {
  '=': '=',
  '==': '=',
  '!=': '!=',
  '<': '<',
  '>': '>',
  '<=': '<=',
  '>=': '>=',
}
/** As nfdump takes them beside the words. */
const LOGIC: Readonly<Record<string, string>> = { '&&': 'and', '||': 'or' }
const WORD = /[^\s()[\],=<>!#"'&|]+/y

/** @throws FilterError on a quote that isn't closed or a sign that the language doesn't have. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const sign = text[at] as string
    if (/\s/.test(sign)) {
      at++
    } else if (sign === '#') {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
    } else {
      const token = sign === '"' || sign === "'" ? quoted(text, at) : (signToken(text, at) ?? word(text, at))
      tokens.push(token)
      at = token.to
    }
  }
  tokens.push({ kind: 'end', text: '', from: text.length, to: text.length })
  return tokens
}

function signToken(text: string, at: number): Token | undefined {
  const two = text.slice(at, at + 2)
  const one = text[at] as string
  const operator = OPERATORS[two] === undefined ? one : two
  if (OPERATORS[operator] !== undefined) {
    return { kind: 'operator', text: OPERATORS[operator], from: at, to: at + operator.length }
  }
  if (LOGIC[two] !== undefined) return { kind: 'word', text: LOGIC[two], from: at, to: at + 2 }
  if ('()[],!'.includes(one)) return { kind: one as TokenKind, text: one, from: at, to: at + 1 }
  return undefined
}

function word(text: string, at: number): Token {
  WORD.lastIndex = at
  const match = WORD.exec(text)
  if (!match) {
    const sign = text[at] as string
    const meant = sign === '&' ? 'and' : 'or'
    throw new FilterError({
      message: `“${sign}” has no meaning here`,
      position: at,
      length: 1,
      expected: [meant],
      hint: `write “${meant}”`,
    })
  }
  return { kind: 'word', text: match[0], from: at, to: at + match[0].length }
}

/** Inside quotes a backslash keeps the next quote or backslash as it is. */
function quoted(text: string, at: number): Token {
  const quote = text[at] as string
  let inside = ''
  for (let i = at + 1; i < text.length; i++) {
    const sign = text[i] as string
    if (sign === quote) return { kind: 'string', text: inside, from: at, to: i + 1 }
    const next = text[i + 1]
    if (sign === '\\' && (next === quote || next === '\\')) {
      inside += next
      i++
    } else inside += sign
  }
  throw new FilterError({
    message: 'this quote is not closed',
    position: at,
    length: text.length - at,
    expected: [quote],
    hint: `put a ${quote} behind the name`,
  })
}
