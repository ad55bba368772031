import type { Side, Test, Value } from './ast.ts'
import type { Token } from './lexer.ts'
import { PHRASES, type Noun } from './nouns.ts'
import { Cursor, SIDES, type Want } from './parse-cursor.ts'
import { listed, nearest } from './problem.ts'
import { expectation, maskBits, network, readValue } from './values.ts'

// What stands behind a noun: comparators, values, lists, other columns.

const RESERVED = new Set(['and', 'or', 'not', 'in', 'like'])
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

/** Reads what a noun is compared with. */
export class ValueReader extends Cursor {
  protected operator(noun: Noun): Test['op'] | undefined {
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

  protected value(noun: Noun, side: Side | undefined, how: { like?: boolean; net?: boolean } = {}): Value {
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

  protected list(noun: Noun, side: Side | undefined, net: boolean): Value[] {
    const open = this.token()
    if (!this.accept('[')) this.fail(open, 'a list in [ ] must follow “in”', ['['], `write “${noun.name} in [ …, … ]”`)
    const values = [this.value(noun, side, { net })]
    while (!this.accept(']')) {
      if (this.atEnd()) {
        this.wants.push({ type: 'value', noun, ...(side ? { side } : {}) })
        this.fail(open, 'this list is not closed', [']'], 'put a ] at its end')
      }
      this.accept(',')
      values.push(this.value(noun, side, { net }))
    }
    return values
  }

  /** Behind a comparator: `dst port`, `out if`, `src_vm`. Names want a side or an underscore, or they are names. */
  protected column(noun: Noun): Value | undefined {
    if (!COMPARABLE.has(noun.kind)) return undefined
    const before = NUMERIC.has(noun.kind) ? this.factor() : undefined
    const column = this.columnAlone(noun, before !== undefined)
    if (column?.type !== 'column') return undefined
    const behind = before === undefined && NUMERIC.has(noun.kind) && this.isWord('*') ? this.factorBehind() : undefined
    const times = before ?? behind
    return times === undefined ? column : { ...column, times }
  }

  /** `1000 *`: the number, taken with its sign; blanks around the sign don't matter. */
  protected factor(): number | undefined {
    this.partProducts()
    const factor = this.token().kind === 'word' ? readFactor(this.token().text) : undefined
    if (factor === undefined || !this.isWord('*', 1)) return undefined
    this.take()
    this.take()
    return factor
  }

  protected factorBehind(): number {
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
  protected partProducts(): void {
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

  protected columnAlone(noun: Noun, needed: boolean): Value | undefined {
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

  /** IN, NE, GE, GT and LT are countries as well as words of the language: these, if no value follows. */
  protected isCountryWord(): boolean {
    const token = this.token()
    const word = token.kind === 'word' ? token.text.toLowerCase() : ''
    const next = this.token(1)
    if (word === 'in') return next.kind !== '['
    if (WORDED[word] === undefined) return false
    const isValue = next.kind === 'string' || (next.kind === 'word' && !['and', 'or'].includes(next.text.toLowerCase()))
    return !((word === 'eq' || word === 'ne') && isValue)
  }

  /** `net 10.0.0.0 255.0.0.0`: the second address is the mask. */
  protected masked(value: Extract<Value, { type: 'ip' }>): Value {
    const token = this.token()
    const bits = token.kind === 'word' ? maskBits(token.text) : undefined
    if (bits === undefined && token.kind === 'word' && /^\d+(?:\.\d+){3}$/.test(token.text))
      this.fail(token, `“${token.text}” is not a mask: its ones must stand before its zeros`, ['255.255.255.0'])
    if (bits === undefined) return value
    this.take()
    return network(value.value, bits) ?? value
  }
}
