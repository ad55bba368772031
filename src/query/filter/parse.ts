import type { FilterNode, Side, Test, Value } from './ast.ts'
import type { Token } from './lexer.ts'
import { nounNamed, type Noun } from './nouns.ts'
import type { Want } from './parse-cursor.ts'
import { ValueReader } from './parse-values.ts'
import { FilterError, type FilterProblem } from './problem.ts'
import { REFUSED } from './refused.ts'
import { readNumber, readValue } from './values.ts'

// expr := and { or and }   and := unary { and unary }   unary := (not | !) unary | ( expr ) | any | @name | test
// test := [side] noun [comparator] value | [side] noun in [ value , … ] | [side] noun like pattern
//       | [side] noun comparator [number *] [side] noun
// side := src | dst | in | out | src and dst | src or dst | in and out | in or out
// At each token the parser notes what it would have taken: messages and completion are made of that.

export type FilterResult =
  | { readonly ok: true; readonly ast: FilterNode }
  | { readonly ok: false; readonly problem: FilterProblem }

/** A name by which a filter can be saved: a letter, then letters, digits and _ . - */
export const FILTER_NAME = /^[a-z][a-z0-9_.-]{0,63}$/i

/** Each takes its time in the plan of a statement; a list of any length is one. */
export const MAX_TESTS = 2000
export const MAX_DEPTH = 100
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

class Parser extends ValueReader {
  private depth = 0
  private tests = 0

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
      if (++this.tests > MAX_TESTS)
        this.fail(
          start,
          `more than ${MAX_TESTS} tests`,
          [],
          'many values go into one test: ip in [10.0.0.1, 10.0.0.2, …]',
        )
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

  /** `and dst` behind `src`: how the two are joined. */
  private otherSide(side: Side): 'and' | 'or' | undefined {
    const joined = this.isWord('and') ? 'and' : this.isWord('or') ? 'or' : undefined
    if (joined === undefined) return undefined
    this.take()
    const other = OTHER_SIDE[side]
    if (this.sideAt(0) !== other) {
      this.wants.push({ type: 'word', text: other })
      this.fail(this.token(), `“${other}” must follow “${side} ${joined}”`, [other], `or a noun must follow “${side}”`)
    }
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
