import { BugError, UserError } from '../base/errors.ts'

// Query parameters `{name:Type}` are put into the statement here, as CASTs of literals in which every byte but letters
// and digits is written \xHH: the engine's own binding runs all parameterised queries of a process one after another.

export type Param = string | number | boolean | readonly (string | number)[]
export type Params = Readonly<Record<string, Param>>

const PLACEHOLDER = /\{\s*([A-Za-z_]\w*)\s*:\s*([^{}]+?)\s*\}/g
const TYPE = /^[A-Za-z0-9_(), '=.-]+$/
const INTEGER_BITS: Readonly<Record<string, readonly [bits: bigint, signed: boolean]>> = {
  UInt8: [8n, false],
  UInt16: [16n, false],
  UInt32: [32n, false],
  UInt64: [64n, false],
  Int8: [8n, true],
  Int16: [16n, true],
  Int32: [32n, true],
  Int64: [64n, true],
}

/** The statement with its parameters in place. A value that does not fit its type is the user's error. */
export function bindParams(sql: string, params: Params): string {
  return sql.replace(PLACEHOLDER, (_all, name: string, type: string) => {
    if (!Object.hasOwn(params, name)) throw new BugError(`the statement has no value for its parameter ${name}`)
    return literal(name, type, params[name] as Param)
  })
}

/**
 * The values that a server binds to the parameters of the statement, as the texts of `param_…` of ClickHouse's HTTP
 * interface, which reads them as it reads fields of its Escaped format. Checked as by `bindParams`.
 */
export function paramTexts(sql: string, params: Params): Map<string, string> {
  const texts = new Map<string, string>()
  for (const [, name, type] of sql.matchAll(PLACEHOLDER) as Iterable<[string, string, string]>) {
    if (!Object.hasOwn(params, name)) throw new BugError(`the statement has no value for its parameter ${name}`)
    const value = params[name] as Param
    literal(name, type, value)
    texts.set(name, Array.isArray(value) ? `[${value.map(listed).join(',')}]` : escaped(String(value)))
  }
  return texts
}

function listed(value: string | number): string {
  return typeof value === 'number' ? String(value) : `'${escaped(value).replaceAll("'", String.raw`\'`)}'`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\\': String.raw`\\`,
  '\t': String.raw`\t`,
  '\n': String.raw`\n`,
  '\r': String.raw`\r`,
  '\b': String.raw`\b`,
  '\f': String.raw`\f`,
  '\0': String.raw`\0`,
}

function escaped(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\\\t\n\r\b\f\0]/g, (character) => ESCAPES[character] as string)
}

function literal(name: string, type: string, value: Param): string {
  if (!TYPE.test(type)) throw new BugError(`parameter ${name} has no usable type: ${type}`)
  if (type === 'Identifier') return identifier(name, value)
  const element = /^Array\((.+)\)$/.exec(type)?.[1]
  if (element !== undefined) {
    if (!Array.isArray(value)) throw new UserError(`${name} has to be a list`)
    return `CAST([${value.map((v: string | number) => scalar(name, element, v)).join(', ')}], ${quoted(type)})`
  }
  if (Array.isArray(value)) throw new UserError(`${name} has to be one value, not a list`)
  return `CAST(${scalar(name, type, value as string | number | boolean)}, ${quoted(type)})`
}

function identifier(name: string, value: Param): string {
  if (typeof value !== 'string' || !/^[A-Za-z_]\w*$/.test(value)) throw new UserError(`${name} is no column name`)
  return `\`${value}\``
}

function scalar(name: string, type: string, value: string | number | boolean): string {
  const text = String(value)
  const bits = INTEGER_BITS[type]
  if (bits) checkInteger(name, text, bits[0], bits[1])
  if (typeof value === 'number' && !Number.isFinite(value)) throw new UserError(`${name} has to be a finite number`)
  return quoted(text)
}

/** CAST wraps a number that is too large around, without a word. */
function checkInteger(name: string, text: string, bits: bigint, signed: boolean): void {
  if (!/^-?\d{1,20}$/.test(text))
    throw new UserError(`${name} has to be a whole number, not ${JSON.stringify(text.slice(0, 40))}`)
  const value = BigInt(text)
  const low = signed ? -(1n << (bits - 1n)) : 0n
  const high = signed ? (1n << (bits - 1n)) - 1n : (1n << bits) - 1n
  if (value < low || value > high) throw new UserError(`${name} has to be between ${low} and ${high}`)
}

/** A string literal of any text: only letters, digits and spaces stand for themselves. */
export function quoted(text: string): string {
  let out = "'"
  for (const byte of Buffer.from(text, 'utf8')) {
    const plain =
      (byte >= 0x30 && byte <= 0x39) ||
      (byte >= 0x41 && byte <= 0x5a) ||
      (byte >= 0x61 && byte <= 0x7a) ||
      byte === 0x20
    out += plain ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return `${out}'`
}
