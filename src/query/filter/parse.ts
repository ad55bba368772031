import type { FilterNode, Side, Test, Value } from './ast.ts'
import { tokenize, type Token } from './lexer.ts'
import { PHRASES, nounNamed, type Noun } from './nouns.ts'
import { FilterError, listed, nearest, type FilterProblem } from './problem.ts'
import { REFUSED } from './refused.ts'
import { countryNamed, expectation, fixedValues, maskBits, network, readNumber, readValue } from './values.ts'

// expr := and { or and }   and := unary { and unary }   unary := (not | !) unary | ( expr ) | any | @name | test
// test := [side] noun [comparator] value | [side] noun in [ value , … ] | [side] noun like pattern
//       | [side] noun comparator [number *] [side] noun
// side := src | dst | in | out | src and dst | src or dst | in and out | in or out
// At each token the parser notes what it would have taken: messages and completion are made of that.

/** What could stand at the place where the text ends or fails. */
export type Want =
  | { readonly type: 'word'; readonly text: string }
  | { readonly type: 'noun'; readonly noun: Noun; readonly phrase: string; readonly side?: Side }
  | { readonly type: 'value'; readonly noun: Noun; readonly side?: Side }
  /** `@` and the name of a saved filter. */
  | { readonly type: 'filter' }

export type FilterResult =
  | { readonly ok: true; readonly ast: FilterNode }
  | { readonly ok: false; readonly problem: FilterProblem }

/** A name by which a filter can be saved: a letter, then letters, digits and _ . - */
export const FILTER_NAME = /^[a-z][a-z0-9_.-]{0,63}$/i

const MAX_TEXT = 10_000
const MAX_DEPTH = 100
const SIDES = new Set(['src', 'dst', 'in', 'out'])
const RESERVED = new Set(['and', 'or', 'not', 'in', 'like'])
/** nfdump's further words for a side. */
const SIDE_WORDS: Readonly<Record<string, Side>> = {
  src: 'src',
  dst: 'dst',
  in: 'in',
  out: 'out',
  ingress: 'in',
  egress: 'out',
}
const OTHER_SIDE: Readonly<Record<Side, Side>> = { src: 'dst', dst: 'src', in: 'out', out: 'in' }

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
      this.wants.push({ type: 'filter' })
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
    } else {
      this.wants.push({ type: 'filter' })
      node = start.kind === 'word' && start.text.startsWith('@') ? this.named(start) : this.test()
    }
    this.depth--
    return node
  }

  private named(token: Token): FilterNode {
    const name = token.text.slice(1)
    const expected = ['the name of a saved filter']
    if (name.toLowerCase() === 'include')
      this.fail(
        token,
        '“@include” is not taken here: a filter is one text',
        expected,
        'put the text of the file in its place, or save it by a name and write @name',
      )
    if (name === '') this.fail(token, 'the name of a saved filter must follow “@”', expected)
    if (!FILTER_NAME.test(name))
      this.fail(
        token,
        `“${name}” can't be the name of a filter`,
        expected,
        'a name is a letter, then letters, digits and _ . -, at most 64 in all',
      )
    this.take()
    return { kind: 'named', name, span: { from: token.from, to: token.to } }
  }

  private test(): FilterNode {
    const start = this.token()
    this.refuse(start)
    let side: Side | undefined
    let joined: 'and' | 'or' | undefined
    let found = this.phrase(undefined)
    if (!found && this.sideAt(0) !== undefined) {
      side = this.sideAt(0) as Side
      this.take()
      joined = this.otherSide(side)
      // `in src mac` and the like: one pair of MAC addresses is kept.
      const end = this.sideAt(0)
      if ((end === 'src' || end === 'dst') && (side === 'in' || side === 'out') && this.isWord('mac', 1)) {
        side = end
        this.take()
      }
      this.refuse(start)
      found = this.phrase(side)
    }
    if (!found) this.failNoun(start, side)
    for (const _ of found.words) this.take()
    const { noun } = found
    if (noun.kind === 'bare') return this.done(start, noun, side, '=', [])
    const node = this.comparison(start, noun, side, found.words.includes('net'))
    if (joined === undefined || node.kind !== 'test') return node
    const other = { ...node, side: OTHER_SIDE[side as Side] }
    return { kind: joined, of: [node, other], span: node.span }
  }

  /** The side that the word there names. */
  private sideAt(ahead: number): Side | undefined {
    const token = this.token(ahead)
    const word = token.text.toLowerCase()
    return token.kind === 'word' && Object.hasOwn(SIDE_WORDS, word) ? SIDE_WORDS[word] : undefined
  }

  /** `and dst` behind `src`: how the two are joined. */
  private otherSide(side: Side): 'and' | 'or' | undefined {
    const joined = this.isWord('and') ? 'and' : this.isWord('or') ? 'or' : undefined
    if (joined === undefined || this.sideAt(1) !== OTHER_SIDE[side]) return undefined
    this.take()
    this.take()
    return joined
  }

  /** Points at words that nfdump knows but that no column here answers. */
  private refuse(start: Token): void {
    const token = this.token()
    const behind = start === token ? undefined : this.tokens[this.at - 1]
    for (const { words, reason, hint } of REFUSED) {
      // A side that is already taken may be part of the words: `ingress vrf`.
      const first = behind !== undefined && words.length > 1 && words[0] === behind.text.toLowerCase() ? 1 : 0
      if (!words.slice(first).every((word, i) => this.isWord(word, i))) continue
      const last = this.token(words.length - first - 1)
      const span = { ...token, from: first === 1 ? (behind as Token).from : token.from, to: last.to }
      this.fail(span, `“${words.join(' ')}”: ${reason}`, ['another word'], hint)
    }
  }

  private comparison(start: Token, noun: Noun, side: Side | undefined, net: boolean): FilterNode {
    if (noun.kind === 'country' && this.isCountryWord())
      return this.done(start, noun, side, '=', [this.value(noun, side)])
    if (this.accept('in')) {
      const values = this.list(noun, side, net)
      return this.done(start, listedNoun(noun, values, this, start), side, 'in', values)
    }
    if ((noun.kind === 'name' || noun.kind === 'as' || noun.name === 'exporter') && this.accept('like')) {
      return this.done(start, noun, side, 'like', [this.value(noun, side, { like: true })])
    }
    let op = this.operator(noun)
    if (noun.kind === 'boolean' && op === undefined) {
      this.wants.push({ type: 'value', noun })
      const value = this.token().kind === 'word' ? readValue(noun, this.token()) : undefined
      if (value) this.take()
      return this.done(start, noun, side, '=', [value ?? { type: 'boolean', value: true }])
    }
    if (noun.kind === 'flags' && op === undefined) {
      // As in nfdump, letters are flags that must be set, a number is all of them.
      const isNumber = readNumber(this.token().text) !== undefined
      return this.done(start, noun, side, isNumber ? '=' : 'has', [this.value(noun, side)])
    }
    const column = op === undefined ? undefined : this.column(noun)
    if (column) return this.done(start, noun, side, op as Test['op'], [column])
    const quoted = this.token().kind === 'string'
    let value = this.value(noun, side, { net })
    if (value.type === 'pattern' && op !== undefined && op !== '=')
      this.fail(
        this.tokens[this.at - 1] as Token,
        'a name with * can only be looked for',
        ['like'],
        'write “not … like …”',
      )
    if (value.type === 'pattern') return this.done(start, noun, side, 'like', [value])
    if (value.type === 'ip' && (net || noun.name === 'net')) value = this.masked(value)
    // A name that is an address: nfdump's host is its ip.
    const address =
      noun.name === 'host' && !quoted && value.type === 'name'
        ? addressOf(value.value, this.tokens[this.at - 1] as Token)
        : undefined
    op ??= '='
    if (address) return this.done(start, nounNamed('ip') as Noun, side, op, [address])
    if (op !== '=' && op !== '!=' && value.type === 'name' && noun.kind === 'as')
      this.fail(this.tokens[this.at - 1] as Token, `a name can't be compared by “${op}”`, ['a single number'])
    if (op !== '=' && op !== '!=' && (value.type === 'range' || value.type === 'net' || value.type === 'mac-net')) {
      this.fail(this.tokens[this.at - 1] as Token, `a range can't be compared by “${op}”`, ['a single number'])
    }
    return this.done(start, noun, side, op, [value])
  }

  /** IN, NE, GE, GT and LT are countries as well as words of the language: these, if no value follows. */
  private isCountryWord(): boolean {
    const token = this.token()
    const word = token.kind === 'word' ? token.text.toLowerCase() : ''
    const next = this.token(1)
    if (word === 'in') return next.kind !== '['
    if (WORDED[word] === undefined) return false
    const isValue = next.kind === 'string' || (next.kind === 'word' && !['and', 'or'].includes(next.text.toLowerCase()))
    return !((word === 'eq' || word === 'ne') && isValue)
  }

  /** Behind a comparator: `dst port`, `out if`, `src_vm`. Names want a side or an underscore, or they are names. */
  private column(noun: Noun): Value | undefined {
    if (!COMPARABLE.has(noun.kind)) return undefined
    const before = NUMERIC.has(noun.kind) ? this.factor() : undefined
    const column = this.columnAlone(noun, before !== undefined)
    if (column?.type !== 'column') return undefined
    const behind = before === undefined && NUMERIC.has(noun.kind) && this.isWord('*') ? this.factorBehind() : undefined
    const times = before ?? behind
    return times === undefined ? column : { ...column, times }
  }

  /** `1000 *`: the number, taken with its sign; blanks around the sign don't matter. */
  private factor(): number | undefined {
    this.partProducts()
    const factor = this.token().kind === 'word' ? readFactor(this.token().text) : undefined
    if (factor === undefined || !this.isWord('*', 1)) return undefined
    this.take()
    this.take()
    return factor
  }

  private factorBehind(): number {
    this.take()
    const token = this.token()
    const factor = token.kind === 'word' ? readFactor(token.text) : undefined
    if (factor === undefined) {
      if (this.atEnd()) this.failEnd(['a number'])
      this.fail(token, `“${token.text || token.kind}” is not a number to multiply by`, [
        'a number such as 1000 or 1.5k',
      ])
    }
    this.take()
    return factor
  }

  /** `1000*packets` is one word to the lexer, since names may hold stars: here it is three. */
  private partProducts(): void {
    for (let i = this.at; i < this.at + 4 && i < this.tokens.length; i++) {
      const token = this.tokens[i] as Token
      if (token.kind !== 'word' || RESERVED.has(token.text.toLowerCase())) return
      const star = token.text.indexOf('*')
      if (star < 0 || token.text === '*') continue
      const cut = star === 0 ? 1 : star
      const middle = token.from + cut
      this.tokens.splice(
        i,
        1,
        { ...token, text: token.text.slice(0, cut), to: middle },
        { ...token, text: token.text.slice(cut), from: middle },
      )
    }
  }

  private columnAlone(noun: Noun, needed: boolean): Value | undefined {
    // IN is a country.
    const side = noun.kind === 'country' && this.isWord('in') ? undefined : this.sideAt(0)
    const ahead = side === undefined ? 0 : 1
    // Of columns without a side there are so many that to offer them would hide the values.
    if (side === undefined)
      for (const text of SIDES) if (noun.columns[text as Side]) this.wants.push({ type: 'word', text })
    const wants: Want[] = []
    for (const { words, noun: other } of PHRASES) {
      if (!likes(noun, other) || (side !== undefined && !other.columns[side])) continue
      const phrase = words.join(' ')
      const spoken = side !== undefined || !MAY_BE_NAMED.has(noun.kind) || phrase.includes('_')
      if (side !== undefined || needed)
        wants.push({ type: 'noun', noun: other, phrase, ...(side === undefined ? {} : { side }) })
      if (!spoken || !words.every((word, i) => this.isWord(word, i + ahead))) continue
      for (let i = 0; i < words.length + ahead; i++) this.take()
      return { type: 'column', noun: other.name, ...(side ? { side } : {}) }
    }
    // The filter may end behind the side, of which this is the only use.
    if (!needed && (side === undefined || noun.kind === 'name')) return undefined
    if (side !== undefined) this.take()
    this.wants.push(...wants)
    const phrases = [...new Set(wants.flatMap((want) => (want.type === 'noun' ? [want.noun.name] : [])))]
    if (this.atEnd()) this.failEnd(phrases)
    const near = nearest(this.token().text, phrases)
    this.fail(
      this.token(),
      `“${this.token().text || this.token().kind}” can't be compared with “${noun.name}”`,
      phrases,
      near.length > 0 ? `did you mean ${listed(near.map((n) => `“${n}”`))}?` : undefined,
    )
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
      NUMERIC.has(noun.kind) ||
      noun.kind === 'time' ||
      noun.kind === 'proto' ||
      noun.kind === 'ethertype' ||
      noun.kind === 'flags'
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

  private value(noun: Noun, side: Side | undefined, how: { like?: boolean; net?: boolean } = {}): Value {
    this.wants.push({ type: 'value', noun, ...(side ? { side } : {}) })
    const token = this.token()
    const isReserved = noun.kind !== 'country' && RESERVED.has(token.text.toLowerCase())
    const isValue = token.kind === 'string' || (token.kind === 'word' && !isReserved)
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
    const value = readValue(noun, token, how)
    if (!value) this.failValue(noun, token)
    this.take()
    return value
  }

  private list(noun: Noun, side: Side | undefined, net: boolean): Value[] {
    const open = this.token()
    if (!this.accept('[')) this.fail(open, 'a list in [ ] must follow “in”', ['['], `write “${noun.name} in [ …, … ]”`)
    const values = [this.value(noun, side, { net })]
    while (!this.accept(']')) {
      if (this.atEnd()) this.fail(open, 'this list is not closed', [']'], 'put a ] at its end')
      this.accept(',')
      values.push(this.value(noun, side, { net }))
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

const WORDED: Readonly<Record<string, string>> = { eq: '=', ne: '!=', gt: '>', ge: '>=', lt: '<', le: '<=' }

/** Kinds of which one column can be compared with another. */
const COMPARABLE = new Set(['ip', 'number', 'as', 'proto', 'mac', 'name', 'country', 'ethertype', 'duration', 'time'])
/** Kinds that can be compared with each other, and multiplied. */
const NUMERIC = new Set(['number', 'as', 'duration'])
/** Kinds whose values may be words: only a side or an underscore tells a column from a name. */
const MAY_BE_NAMED = new Set(['name', 'as'])

function likes(a: Noun, b: Noun): boolean {
  return NUMERIC.has(a.kind) ? NUMERIC.has(b.kind) : a.kind === b.kind
}

/** `1000`, `1.5`, `2k` → number, or undefined. */
function readFactor(text: string): number | undefined {
  const match = /^(\d{1,12}(?:\.\d{1,6})?)([kmgt]?)$/i.exec(text)
  return match ? Number(match[1]) * 1000 ** ' kmgt'.indexOf((match[2] || ' ').toLowerCase()) : undefined
}

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
