import type { Side } from './ast.ts'
import { tokenize, type Token } from './lexer.ts'
import { PHRASES, type Noun } from './nouns.ts'
import { protocolNumber } from './names.ts'
import { FilterError, listed, nearest } from './problem.ts'
import { countryNamed, expectation, fixedValues } from './values.ts'

// Where the parser stands in the text, what it would take there, and how it says what is wrong.

/** What could stand at the place where the text ends or fails. */
export type Want =
  | { readonly type: 'word'; readonly text: string }
  | { readonly type: 'noun'; readonly noun: Noun; readonly phrase: string; readonly side?: Side }
  | { readonly type: 'value'; readonly noun: Noun; readonly side?: Side }
  /** `@` and the name of a saved filter. */
  | { readonly type: 'filter' }

/** Room for a list of ten thousand addresses. */
export const MAX_TEXT = 200_000
export const SIDES: ReadonlySet<string> = new Set(['src', 'dst', 'in', 'out'])
/** nfdump's further words for a side. */
const SIDE_WORDS: Readonly<Record<string, Side>> = {
  src: 'src',
  dst: 'dst',
  in: 'in',
  out: 'out',
  ingress: 'in',
  egress: 'out',
}

/** The tokens of a text, taken one by one. */
export class Cursor {
  wants: Want[] = []
  protected readonly tokens: Token[]
  protected at = 0
  /** End of the last token taken. */
  protected taken = 0

  constructor(text: string) {
    if (text.length > MAX_TEXT) {
      throw new FilterError({
        message: `the filter is longer than ${MAX_TEXT} characters`,
        position: MAX_TEXT,
        length: text.length - MAX_TEXT,
        expected: [],
      })
    }
    this.tokens = tokenize(text)
  }

  atEnd(): boolean {
    return this.token().kind === 'end'
  }

  protected token(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token
  }

  protected take(): Token {
    const token = this.token()
    this.at++
    this.taken = token.to
    this.wants = []
    return token
  }

  protected isWord(text: string, ahead = 0): boolean {
    const token = this.token(ahead)
    return token.kind === 'word' && token.text.toLowerCase() === text
  }

  protected accept(text: string): boolean {
    this.wants.push({ type: 'word', text })
    const token = this.token()
    if (!this.isWord(text) && token.kind !== text) return false
    this.take()
    return true
  }

  /** The side that the word there names. */
  protected sideAt(ahead: number): Side | undefined {
    const token = this.token(ahead)
    const word = token.text.toLowerCase()
    return token.kind === 'word' && Object.hasOwn(SIDE_WORDS, word) ? SIDE_WORDS[word] : undefined
  }

  protected phrase(side: Side | undefined): { words: readonly string[]; noun: Noun } | undefined {
    let found: { words: readonly string[]; noun: Noun } | undefined
    for (const { words, noun } of PHRASES) {
      if (side !== undefined && !noun.columns[side]) continue
      this.wants.push({ type: 'noun', noun, phrase: words.join(' '), ...(side ? { side } : {}) })
      if (!found && words.every((word, i) => this.isWord(word, i))) found = { words, noun }
    }
    if (side === undefined) for (const text of SIDES) this.wants.push({ type: 'word', text })
    return found
  }

  fail(token: Token, message: string, expected: readonly string[], hint?: string): never {
    throw new FilterError({
      message,
      position: token.from,
      length: token.to - token.from,
      expected,
      ...(hint === undefined ? {} : { hint }),
    })
  }

  protected failEnd(expected: readonly string[]): never {
    const last = this.tokens[this.at - 1]
    const after = last ? ` after “${last.text || last.kind}”` : ''
    this.fail(this.token(), `the filter ends${after}, where more must follow`, expected)
  }

  protected failAfterTest(): never {
    const token = this.token()
    const shown = token.text || token.kind
    if (token.kind === ')')
      this.fail(token, 'this bracket closes nothing', ['and', 'or'], 'take it away, or open one before')
    const starts =
      SIDES.has(shown.toLowerCase()) ||
      PHRASES.some((p) => p.words[0] === shown.toLowerCase()) ||
      token.kind === '(' ||
      token.kind === '!'
    const near = nearest(shown, ['and', 'or'])[0]
    this.fail(
      token,
      starts ? `“and” or “or” is missing before “${shown}”` : `“${shown}” can't stand here`,
      ['and', 'or'],
      starts ? `write “and ${shown}”` : near ? `did you mean “${near}”?` : undefined,
    )
  }

  protected failNoun(start: Token, side: Side | undefined): never {
    const token = this.token()
    const wanted = side ? PHRASES.filter((p) => p.noun.columns[side]) : PHRASES
    const names = [...new Set(wanted.map((p) => p.noun.name))]
    const expected = side
      ? names
      : [
          'any',
          'not',
          '(',
          'src',
          'dst',
          'in',
          'out',
          'ip',
          'net',
          'port',
          'proto',
          'vlan',
          'vm',
          'host',
          'mac',
          'as',
          'if',
          'flags',
          'bytes',
          'packets',
        ]
    if (token.kind === 'end') this.failEnd(expected)
    const shown = token.text || token.kind
    if (token.kind !== 'word') this.fail(token, `“${shown}” can't stand here`, expected)
    const whole = side ? PHRASES.find((p) => p.words[0] === shown.toLowerCase()) : undefined
    if (whole)
      this.fail(token, `“${whole.noun.name}” has no “${side}” side`, expected, `write it without “${start.text}”`)
    // As tcpdump has it.
    if (!side && protocolNumber(shown.toLowerCase()) !== undefined && !/^\d/.test(shown))
      this.fail(token, `“${shown}” is a protocol, and no test by itself`, expected, `write “proto ${shown}”`)
    const near = nearest(shown, [...wanted.map((p) => p.words.join(' ')), ...(side ? [] : SIDES), 'any', 'not'])
    this.fail(
      token,
      `“${shown}” is not a word of the filter language`,
      expected,
      near.length > 0 ? `did you mean ${listed(near.map((n) => `“${n}”`))}?` : undefined,
    )
  }

  protected failValue(noun: Noun, token: Token): never {
    const near = nearest(token.text, fixedValues(noun))
    const unresolved =
      noun.kind === 'ip' && /[g-z]/i.test(token.text) ? 'names are not looked up in the DNS' : undefined
    const country = noun.kind === 'country' ? countryNamed(token.text) : undefined
    const meant = country === undefined ? near : [country]
    const hint = meant.length > 0 ? `did you mean ${listed(meant.map((n) => `“${n}”`))}?` : unresolved
    this.fail(
      token,
      `“${token.text}” is not ${expectation(noun)}`.replace(/is not (?=[a-z_0-9]+, )/, 'is none of '),
      [expectation(noun)],
      hint,
    )
  }
}
