import type { FilterNode, Side, Test, Value } from './ast.ts'
import { tokenize, type Token } from './lexer.ts'
import { PHRASES, nounNamed, type Noun } from './nouns.ts'
import { FilterError, listed, nearest, type FilterProblem } from './problem.ts'
import { expectation, fixedValues, maskBits, network, readValue } from './values.ts'

// expr := and { or and }   and := unary { and unary }   unary := (not | !) unary | ( expr ) | any | test
// test := [side] noun [comparator] value | [side] noun in [ value , … ] | [side] noun like pattern
// At each token the parser notes what it would have taken: messages and completion are made of that.

/** What could stand at the place where the text ends or fails. */
export type Want =
  | { readonly type: 'word'; readonly text: string }
  | { readonly type: 'noun'; readonly noun: Noun; readonly phrase: string; readonly side?: Side }
  | { readonly type: 'value'; readonly noun: Noun; readonly side?: Side }

export type FilterResult =
  | { readonly ok: true; readonly ast: FilterNode }
  | { readonly ok: false; readonly problem: FilterProblem }

const MAX_TEXT = 10_000
const MAX_DEPTH = 100
const SIDES = new Set(['src', 'dst', 'in', 'out'])
const RESERVED = new Set(['and', 'or', 'not', 'in', 'like'])

/** Text → tree; empty text is `any`. Never throws. */
export function parseFilter(text: string): FilterResult {
  try {
    return { ok: true, ast: new Parser(text).whole() }
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
    const { message, position, length, expected, hint } = error
    return {
      ok: false,
      problem: { message, position: position ?? 0, length, expected, ...(hint === undefined ? {} : { hint }) },
    }
  }
}

/** Text → tree. @throws FilterError */
export function parsedFilter(text: string): FilterNode {
  return new Parser(text).whole()
}

/** What could follow the text, taken as the beginning of a filter; empty if it is wrong before its end. */
export function wantedAfter(text: string): readonly Want[] {
  let parser: Parser | undefined
  try {
    parser = new Parser(text)
    parser.whole()
  } catch (error) {
    if (!(error instanceof FilterError)) throw error
  }
  return parser?.atEnd() ? parser.wants : []
}

class Parser {
  wants: Want[] = []
  private readonly tokens: Token[]
  private at = 0
  private depth = 0
  /** End of the last token taken. */
  private taken = 0

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

  whole(): FilterNode {
    if (this.atEnd()) {
      for (const text of ['not', '(', 'any']) this.wants.push({ type: 'word', text })
      this.phrase(undefined)
      return { kind: 'any', span: { from: 0, to: 0 } }
    }
    const node = this.expression()
    if (!this.atEnd()) this.failAfterTest()
    return node
  }

  private token(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)] as Token
  }

  private take(): Token {
    const token = this.token()
    this.at++
    this.taken = token.to
    this.wants = []
    return token
  }

  private isWord(text: string, ahead = 0): boolean {
    const token = this.token(ahead)
    return token.kind === 'word' && token.text.toLowerCase() === text
  }

  private accept(text: string): boolean {
    this.wants.push({ type: 'word', text })
    const token = this.token()
    if (!this.isWord(text) && token.kind !== text) return false
    this.take()
    return true
  }

  private expression(): FilterNode {
    return this.joined('or', () => this.joined('and', () => this.unary()))
  }

  private joined(word: 'and' | 'or', part: () => FilterNode): FilterNode {
    const first = part()
    if (!this.accept(word)) return first
    const of = [first]
    do of.push(part())
    while (this.accept(word))
    return { kind: word, of, span: { from: first.span.from, to: this.taken } }
  }

  private unary(): FilterNode {
    const start = this.token()
    if (++this.depth > MAX_DEPTH) this.fail(start, `more than ${MAX_DEPTH} levels of brackets and “not”`, [])
    let node: FilterNode
    if (this.accept('not') || this.accept('!')) {
      const of = this.unary()
      node = { kind: 'not', of, span: { from: start.from, to: this.taken } }
    } else if (this.accept('(')) {
      node = this.expression()
      if (!this.accept(')')) {
        if (this.atEnd()) this.fail(start, 'this bracket is not closed', [')'], 'put a ) at its end')
        this.failAfterTest()
      }
    } else if (this.accept('any')) {
      node = { kind: 'any', span: { from: start.from, to: this.taken } }
    } else node = this.test()
    this.depth--
    return node
  }

  private test(): FilterNode {
    const start = this.token()
    let side: Side | undefined
    let found = this.phrase(undefined)
    if (!found && start.kind === 'word' && SIDES.has(start.text.toLowerCase())) {
      side = this.take().text.toLowerCase() as Side
      if (side === 'in' && (this.isWord('src') || this.isWord('dst')) && this.isWord('mac', 1))
        side = this.take().text.toLowerCase() as Side
      found = this.phrase(side)
    }
    if (!found) this.failNoun(start, side)
    for (const _ of found.words) this.take()
    const noun = found.noun
    if (noun.kind === 'bare') return this.done(start, noun, side, '=', [])
    return this.comparison(start, noun, side)
  }

  private comparison(start: Token, noun: Noun, side: Side | undefined): FilterNode {
    if (noun.kind !== 'flags' && noun.kind !== 'boolean' && this.accept('in')) {
      const values = this.list(noun, side)
      return this.done(start, listedNoun(noun, values, this, start), side, 'in', values)
    }
    if ((noun.kind === 'name' || noun.name === 'exporter') && this.accept('like')) {
      return this.done(start, noun, side, 'like', [this.value(noun, side, true)])
    }
    let op = this.operator(noun)
    if (noun.kind === 'boolean' && op === undefined) {
      this.wants.push({ type: 'value', noun })
      const value = this.token().kind === 'word' ? readValue(noun, this.token()) : undefined
      if (value) this.take()
      return this.done(start, noun, side, '=', [value ?? { type: 'boolean', value: true }])
    }
    if (noun.kind === 'flags' && op === undefined) return this.done(start, noun, side, 'has', [this.value(noun, side)])
    const quoted = this.token().kind === 'string'
    let value = this.value(noun, side)
    if (value.type === 'pattern' && op !== undefined && op !== '=')
      this.fail(
        this.tokens[this.at - 1] as Token,
        'a name with * can only be looked for',
        ['like'],
        'write “not … like …”',
      )
    if (value.type === 'pattern') return this.done(start, noun, side, 'like', [value])
    if (value.type === 'ip' && noun.name === 'net') value = this.masked(value)
    // A name that is an address: nfdump's host is its ip.
    const address =
      noun.name === 'host' && !quoted && value.type === 'name'
        ? addressOf(value.value, this.tokens[this.at - 1] as Token)
        : undefined
    op ??= '='
    if (address) return this.done(start, nounNamed('ip') as Noun, side, op, [address])
    if (op !== '=' && op !== '!=' && (value.type === 'range' || value.type === 'net' || value.type === 'mac-net')) {
      this.fail(this.tokens[this.at - 1] as Token, `a range can't be compared by “${op}”`, ['a single number'])
    }
    return this.done(start, noun, side, op, [value])
  }

  /** `net 10.0.0.0 255.0.0.0`: the second address is the mask. */
  private masked(value: Extract<Value, { type: 'ip' }>): Value {
    const token = this.token()
    const bits = token.kind === 'word' ? maskBits(token.text) : undefined
    if (bits === undefined) return value
    this.take()
    return network(value.value, bits) ?? value
  }

  private done(start: Token, noun: Noun, side: Side | undefined, op: Test['op'], values: readonly Value[]): FilterNode {
    return {
      kind: 'test',
      noun: noun.name,
      ...(side ? { side } : {}),
      op,
      values,
      span: { from: start.from, to: this.taken },
    }
  }

  private phrase(side: Side | undefined): { words: readonly string[]; noun: Noun } | undefined {
    let found: { words: readonly string[]; noun: Noun } | undefined
    for (const { words, noun } of PHRASES) {
      if (side !== undefined && !noun.columns[side]) continue
      this.wants.push({ type: 'noun', noun, phrase: words.join(' '), ...(side ? { side } : {}) })
      if (!found && words.every((word, i) => this.isWord(word, i))) found = { words, noun }
    }
    if (side === undefined) for (const text of SIDES) this.wants.push({ type: 'word', text })
    return found
  }

  private operator(noun: Noun): Test['op'] | undefined {
    const ordered =
      noun.kind === 'number' ||
      noun.kind === 'duration' ||
      noun.kind === 'time' ||
      noun.kind === 'proto' ||
      noun.kind === 'ethertype'
    const operators = ordered ? ['=', '!=', '<', '>', '<=', '>='] : ['=', '!=']
    for (const text of operators) this.wants.push({ type: 'word', text })
    const token = this.token()
    const spoken = token.kind === 'word' ? WORDED[token.text.toLowerCase()] : undefined
    const text = token.kind === 'operator' ? token.text : spoken
    if (text === undefined) return undefined
    if (!operators.includes(text)) this.fail(token, `“${noun.name}” can't be compared by “${text}”`, operators)
    this.take()
    return text as Test['op']
  }

  private value(noun: Noun, side: Side | undefined, like = false): Value {
    this.wants.push({ type: 'value', noun, ...(side ? { side } : {}) })
    const token = this.token()
    const isValue = token.kind === 'string' || (token.kind === 'word' && !RESERVED.has(token.text.toLowerCase()))
    if (!isValue) {
      if (this.atEnd()) this.failEnd([expectation(noun)])
      const hint = token.kind === 'word' ? `if it is a name, put it in quotes: "${token.text}"` : undefined
      this.fail(
        token,
        `“${token.text || token.kind}” stands where ${expectation(noun)} should be`,
        [expectation(noun)],
        hint,
      )
    }
    const value = readValue(noun, token, like)
    if (!value) this.failValue(noun, token)
    this.take()
    return value
  }

  private list(noun: Noun, side: Side | undefined): Value[] {
    const open = this.token()
    if (!this.accept('[')) this.fail(open, 'a list in [ ] must follow “in”', ['['], `write “${noun.name} in [ …, … ]”`)
    const values = [this.value(noun, side)]
    while (!this.accept(']')) {
      if (this.atEnd()) this.fail(open, 'this list is not closed', [']'], 'put a ] at its end')
      this.accept(',')
      values.push(this.value(noun, side))
    }
    return values
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

  private failEnd(expected: readonly string[]): never {
    const last = this.tokens[this.at - 1]
    const after = last ? ` after “${last.text || last.kind}”` : ''
    this.fail(this.token(), `the filter ends${after}, where more must follow`, expected)
  }

  private failAfterTest(): never {
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

  private failNoun(start: Token, side: Side | undefined): never {
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
    const near = nearest(shown, [...wanted.map((p) => p.words.join(' ')), ...(side ? [] : SIDES), 'any', 'not'])
    this.fail(
      token,
      `“${shown}” is not a word of the filter language`,
      expected,
      near.length > 0 ? `did you mean ${listed(near.map((n) => `“${n}”`))}?` : undefined,
    )
  }

  private failValue(noun: Noun, token: Token): never {
    const near = nearest(token.text, fixedValues(noun))
    const hint = near.length > 0 ? `did you mean ${listed(near.map((n) => `“${n}”`))}?` : undefined
    this.fail(
      token,
      `“${token.text}” is not ${expectation(noun)}`.replace(/is not (?=[a-z_0-9]+, )/, 'is none of '),
      [expectation(noun)],
      hint,
    )
  }
}

const WORDED: Readonly<Record<string, string>> = { eq: '=', ne: '!=', gt: '>', ge: '>=', lt: '<', le: '<=' }

function addressOf(text: string, token: Token): Value | undefined {
  return readValue(nounNamed('ip') as Noun, { ...token, kind: 'word', text })
}

/** `host in [ … ]`: all addresses make it a test of addresses, all names one of hosts. */
function listedNoun(noun: Noun, values: Value[], parser: Parser, start: Token): Noun {
  if (noun.name !== 'host') return noun
  const addresses = values.map((value) => (value.type === 'name' ? addressOf(value.value, start) : undefined))
  const count = addresses.filter((a) => a !== undefined).length
  if (count === 0) return noun
  if (count < values.length)
    parser.fail(
      start,
      'addresses and names are mixed in this list',
      ['only addresses', 'only names'],
      'write “ip in [ … ] or host in [ … ]”',
    )
  values.splice(0, values.length, ...(addresses as Value[]))
  return nounNamed('ip') as Noun
}
