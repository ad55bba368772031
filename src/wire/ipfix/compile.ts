import { VARIABLE, type Template } from './template.ts'
import { ntpMillis, uintHigh, uintLow } from './numbers.ts'

// One decoder a template: straight-line code that moves each wanted field from the datagram into the typed array
// it belongs in. The code is put together from the integers of the template and the names of the bindings, which are
// constants of this program; nothing of the network's is ever text in it.

/**
 * How the bytes of a field become elements of an array:
 * - `uint`: the low 32 bits (one element); `byte1`: bits 8–15; `byte0`: bits 0–7; `top`: the uppermost of eight bytes; `vlan`: the low 12 bits; `low24`;
 *   `dscp`: shifted to where a ToS byte has it; `label`: the 20 bits of an MPLS label stack entry without TTL; `direction`: 0, 1 → 1, 2
 * - `u64`: low and high word; `mac`: the same of six bytes
 * - `ipv4`, `ipv6`: four words as they lie in memory, IPv4 mapped
 * - `float`: a number; `seconds`, `millis`, `ntpMicros`, `ntpNanos`: milliseconds since 1970
 * - `span`: where it is: offset and length
 */
export type Conversion =
  | 'uint'
  | 'byte1'
  | 'byte0'
  | 'top'
  | 'vlan'
  | 'low24'
  | 'dscp'
  | 'label'
  | 'direction'
  | 'u64'
  | 'mac'
  | 'ipv4'
  | 'ipv6'
  | 'float'
  | 'seconds'
  | 'millis'
  | 'ntpMicros'
  | 'ntpNanos'
  | 'span'

/** `set` writes (into rows, which are zeroed, it leaves out words that are always zero), `nonzero` only what is not zero, `or` adds bits. */
export type Mode = 'set' | 'nonzero' | 'or'

export interface Binding {
  /** Index of the field in the template. */
  readonly field: number
  /** `row`: the arrays of the rows; `note`: those that hold what has to be worked out further. */
  readonly into: 'row' | 'note'
  readonly column: string
  readonly conversion: Conversion
  readonly mode: Mode
}

export type Arrays = Readonly<Record<string, Uint8Array | Uint16Array | Uint32Array | Float64Array>>

/** Where a decoder stopped. */
export interface Stop {
  at: number
}

/**
 * Decodes at most `count` records between `at` and `end` into elements `row…` of the row arrays and `0…` of the note arrays.
 * Answers how many; `stop.at` is where the next one starts. For templates of fixed length the caller has made sure that all of them fit.
 */
export type RecordDecoder = (
  view: DataView,
  at: number,
  end: number,
  count: number,
  rows: Arrays,
  row: number,
  notes: Arrays,
  stop: Stop,
) => number

/** Compiles the decoder of a template. A binding that can't be of its field (an address of three bytes) is left out. */
export function compileDecoder(template: Template, bindings: readonly Binding[]): RecordDecoder {
  const columns = new Set<string>()
  const body: string[] = []
  const moves: string[] = []
  const wanted = new Map<number, Binding[]>()
  for (const binding of bindings) {
    const list = wanted.get(binding.field)
    if (list) list.push(binding)
    else wanted.set(binding.field, [binding])
  }
  // Order matters: a later binding may overrule an earlier one of the same column, so moves stand in the order of the bindings,
  // after the places of all fields are known.
  const places = template.variable ? walk(template, wanted, body) : fixedPlaces(template)
  for (const binding of bindings) {
    const text = move(binding, places[binding.field] as Place, !columns.has(`${binding.into}.${binding.column}`))
    if (text === undefined) continue
    columns.add(`${binding.into}.${binding.column}`)
    moves.push(text)
  }
  const declare = [...columns].map((name) => {
    const [into, column] = name.split('.') as ['row' | 'note', string]
    return `const ${local(into, column)}=${into === 'row' ? 'R' : 'N'}.${column};`
  })
  const loops = template.variable
    ? `let o=a|0,i=0,r=q|0;for(;i<m;i++,r=r+1|0){let p=o;${body.join('')}${moves.join('')}o=p}s.at=o;return i`
    : `${fixedLoops(moves, template.minLength)}s.at=a+n*${template.minLength};return n`
  const source = `return function(v,a,e,n,R,q,N,s){${declare.join('')}const m=n|0;${loops}}`
  // oxlint-disable-next-line typescript/no-implied-eval -- integers and names of this program only, see above
  return new Function('low', 'high', 'ntp', 'skip', 'L', source)(
    uintLow,
    uintHigh,
    ntpMillis,
    skipFields,
    template.lengths,
  ) as RecordDecoder
}

/** Moves in one loop: few enough that the arrays they write to stay in registers. */
const TOGETHER = 4

/**
 * Records of fixed length are moved a few columns at a time, all records of the set in each loop. Such a loop is short enough for the
 * optimizing compiler to take out of it what does not change: where an array lies, how long it is, what kind it is.
 * Indices are put together with `|` and cut to 32 bits: then no addition is checked for an overflow, and the access checks its bounds all the same.
 */
function fixedLoops(moves: readonly string[], length: number): string {
  let text = ''
  for (let k = 0; k < moves.length; k += TOGETHER) {
    const body = moves.slice(k, k + TOGETHER).join('')
    text += `for(let i=0,r=q|0,o=a|0;i<m;i++,r=r+1|0,o=o+${length}|0){${body}}`
  }
  return text
}

/** Unwanted fields in a row that are stepped over in a loop: code for each of thousands of them would be a load of its own. */
const MANY = 8

/** Where the fields from `from` to before `to` end; -1 if they reach beyond `end`. */
function skipFields(
  view: DataView,
  start: number,
  end: number,
  lengths: Uint16Array,
  from: number,
  to: number,
): number {
  let at = start
  for (let i = from; i < to; i++) {
    let length = lengths[i] as number
    if (length === VARIABLE) {
      if (end - at < 1) return -1
      length = view.getUint8(at++)
      if (length === 255) {
        if (end - at < 2) return -1
        length = view.getUint16(at)
        at += 2
      }
    }
    if (end - at < length) return -1
    at += length
  }
  return at
}

interface Place {
  /** Offset as an expression, and its length in bytes, or the variable that holds it. */
  readonly at: string
  readonly plus: number
  readonly length: number | string
}

function local(into: 'row' | 'note', column: string): string {
  return `${into === 'row' ? 'R' : 'N'}_${column}`
}

function fixedPlaces(template: Template): Place[] {
  let plus = 0
  return Array.from(template.lengths, (length) => {
    const place = { at: 'o', plus, length }
    plus += length
    return place
  })
}

// p walks over the record; each run of fixed fields is checked once, each variable field for its length and its bytes.
function walk(template: Template, wanted: ReadonlyMap<number, unknown>, body: string[]): Place[] {
  const places: Place[] = []
  let run = 0
  let base = 0
  const flush = (): void => {
    if (run > 0) body.push(`if(e-p<${run})break;const b${base}=p;p=p+${run}|0;`)
    run = 0
  }
  const { lengths } = template
  for (let index = 0; index < lengths.length; index++) {
    const length = lengths[index] as number
    let next = index
    while (next < lengths.length && !wanted.has(next)) next++
    if (next - index >= MANY) {
      flush()
      body.push(`p=skip(v,p,e,L,${index},${next});if(p<0)break;`)
      for (; index < next; index++) places.push({ at: 'p', plus: 0, length: 0 })
      index--
      continue
    }
    if (length !== VARIABLE) {
      if (run === 0) base = index
      places.push({ at: `b${base}`, plus: run, length })
      run += length
      continue
    }
    flush()
    const name = wanted.has(index) ? [`f${index}`, `l${index}`] : undefined
    body.push(
      `if(e-p<1)break;let m${index}=v.getUint8(p++);if(m${index}===255){if(e-p<2)break;m${index}=v.getUint16(p);p+=2}if(e-p<m${index})break;`,
    )
    if (name) body.push(`const f${index}=p,l${index}=m${index};`)
    body.push(`p=p+m${index}|0;`)
    places.push({ at: `f${index}`, plus: 0, length: `l${index}` })
  }
  flush()
  return places
}

/** `first`: nothing has been written to the column before. */
function move(binding: Binding, place: Place, first: boolean): string | undefined {
  const array = local(binding.into, binding.column)
  const index = binding.into === 'row' ? 'r' : 'i'
  const at = (more: number): string => (place.plus + more === 0 ? place.at : `${place.at}+${place.plus + more}|0`)
  const word = words(place)
  const exactly = (bytes: number, text: string): string | undefined => {
    if (typeof place.length === 'string') return `if(${place.length}===${bytes}){${text}}`
    return place.length === bytes ? text : undefined
  }
  switch (binding.conversion) {
    case 'uint':
      return store(array, index, word.low, binding.mode)
    case 'byte1':
      return store(array, index, `${word.low}>>>8&255`, binding.mode)
    case 'byte0':
      return store(array, index, `${word.low}&255`, binding.mode)
    case 'top':
      return place.length === 8 ? store(array, index, `v.getUint8(${at(0)})`, binding.mode) : undefined
    case 'vlan':
      return store(array, index, `${word.low}&4095`, binding.mode)
    case 'low24':
      return store(array, index, `${word.low}&16777215`, binding.mode)
    case 'dscp':
      return store(array, index, `${word.low}<<2&255`, binding.mode)
    case 'label':
      return exactly(3, store(array, index, `v.getUint16(${at(0)})<<4|v.getUint8(${at(2)})>>>4`, binding.mode))
    case 'direction':
      return `{const x=${word.low};if(x<2)${array}[${index}]=x+1}`
    case 'u64':
      return storePair(array, index, word.low, word.high, binding.mode, binding.into === 'row')
    case 'mac':
      return exactly(6, storePair(array, index, `v.getUint32(${at(2)})`, `v.getUint16(${at(0)})`, binding.mode, false))
    case 'ipv4':
      return exactly(
        4,
        storeIpv4(array, index, `v.getUint32(${at(0)},true)`, binding.mode, binding.into === 'row' && first),
      )
    case 'ipv6':
      return exactly(
        16,
        storeIpv6(
          array,
          index,
          [0, 4, 8, 12].map((more) => `v.getUint32(${at(more)},true)`),
          binding.mode,
        ),
      )
    case 'float':
      if (place.length !== 4 && place.length !== 8) return undefined
      return store(array, index, `v.getFloat${place.length * 8}(${at(0)})`, binding.mode)
    case 'seconds':
      return store(array, index, `(${word.high}*4294967296+${word.low})*1000`, binding.mode)
    case 'millis':
      return store(array, index, `${word.high}*4294967296+${word.low}`, binding.mode)
    case 'ntpMicros':
      return store(array, index, `ntp(${word.high},${word.low},1000)`, binding.mode)
    case 'ntpNanos':
      return store(array, index, `ntp(${word.high},${word.low},1000000)`, binding.mode)
    case 'span':
      return `${array}[${index}<<1]=${at(0)};${array}[${index}<<1|1]=${place.length};`
  }
}

/** A big-endian integer of any length as two expressions: reduced-size encoding (RFC 7011 §6.2) and longer than usual alike. */
function words(place: Place): { low: string; high: string } {
  const at = (more: number): string => (place.plus + more === 0 ? place.at : `${place.at}+${place.plus + more}|0`)
  const { length } = place
  if (typeof length === 'string') return { low: `low(v,${place.at},${length})`, high: `high(v,${place.at},${length})` }
  const part = (start: number, bytes: number): string => {
    if (bytes <= 0) return '0'
    if (bytes === 1) return `v.getUint8(${at(start)})`
    if (bytes === 2) return `v.getUint16(${at(start)})`
    if (bytes === 3) return `(v.getUint8(${at(start)})<<16|v.getUint16(${at(start + 1)}))`
    return `v.getUint32(${at(start + bytes - 4)})`
  }
  if (length <= 4) return { low: part(0, length), high: '0' }
  return { low: part(length - 4, 4), high: part(Math.max(0, length - 8), Math.min(4, length - 4)) }
}

function store(array: string, index: string, value: string, mode: Mode): string {
  if (mode === 'set') return `${array}[${index}]=${value};`
  if (mode === 'or') return `${array}[${index}]|=${value};`
  return `{const x=${value};if(x!==0)${array}[${index}]=x}`
}

function storePair(array: string, index: string, low: string, high: string, mode: Mode, zeroed: boolean): string {
  if (mode === 'set' && high === '0' && zeroed) return `${array}[${index}<<1]=${low};`
  if (mode === 'set') return `${array}[${index}<<1]=${low};${array}[${index}<<1|1]=${high};`
  return `{const x=${low},y=${high};if((x|y)!==0){${array}[${index}<<1]=x;${array}[${index}<<1|1]=y}}`
}

// ::ffff:0:0/96 as little-endian reads see it.
const MAPPED = 0xffff0000

function storeIpv4(array: string, index: string, value: string, mode: Mode, zeroed: boolean): string {
  const mapped = (x: string): string => `${array}[${index}<<2|2]=${MAPPED};${array}[${index}<<2|3]=${x};`
  const all = (x: string): string =>
    zeroed ? mapped(x) : `${array}[${index}<<2]=0;${array}[${index}<<2|1]=0;${mapped(x)}`
  return mode === 'set' ? all(value) : `{const x=${value};if(x!==0){${all('x')}}}`
}

function storeIpv6(array: string, index: string, parts: readonly string[], mode: Mode): string {
  const write = (values: readonly string[]): string =>
    values.map((value, k) => `${array}[${index}<<2|${k}]=${value};`).join('')
  if (mode === 'set') return write(parts)
  return `{const x=${parts[0]},y=${parts[1]},z=${parts[2]},w=${parts[3]};if((x|y|z|w)!==0){${write(['x', 'y', 'z', 'w'])}}}`
}
