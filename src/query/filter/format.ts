import { macText, parseIp } from '../../base/address.ts'
import type { FilterNode, Single, Test, Value } from './ast.ts'
import { ethertypeText, flagText, protocolText } from './names.ts'
import { NOUNS, nounNamed } from './nouns.ts'

// Tree → text, such that parsing the text gives the same tree (but for its positions).

/** The filter as text, in canonical form. */
export function formatFilter(node: FilterNode): string {
  switch (node.kind) {
    case 'any':
      return 'any'
    case 'named':
      return `@${node.name}`
    case 'not':
      return `not ${bracketed(node.of, node.of.kind === 'and' || node.of.kind === 'or')}`
    case 'and':
      return node.of.map((part) => bracketed(part, part.kind === 'and' || part.kind === 'or')).join(' and ')
    case 'or':
      return node.of.map((part) => bracketed(part, part.kind === 'or')).join(' or ')
    default:
      return formatTest(node)
  }
}

function bracketed(node: FilterNode, needed: boolean): string {
  return needed ? `(${formatFilter(node)})` : formatFilter(node)
}

function formatTest(test: Test): string {
  const subject = test.side ? `${test.side} ${test.noun}` : test.noun
  const texts = test.values.map((value) => formatValue(test, value))
  if (test.values.length === 0 && test.op !== 'in') return subject
  if (test.op === 'in') return `${subject} in [${texts.join(', ')}]`
  if (test.op === 'like') return `${subject} like ${texts[0]}`
  const implied =
    test.op === 'has' ||
    (test.op === '=' && nounNamed(test.noun)?.kind !== 'flags' && test.values[0]?.type !== 'column')
  return implied ? `${subject} ${texts[0]}` : `${subject} ${test.op} ${texts[0]}`
}

function formatValue({ noun, op }: Test, value: Value): string {
  switch (value.type) {
    case 'net':
      return `${value.value}/${value.bits}`
    case 'mac-net':
      return `${macText(value.value)}/${value.bits}`
    case 'pattern':
      return op === 'in' ? value.value : quote(value.value)
    case 'range':
      return `${value.low.value}-${value.high.value}`
    case 'flags':
      return flagText(value.value)
    case 'column':
      return `${value.times === undefined ? '' : `${value.times} * `}${value.side ? `${value.side} ` : ''}${value.noun}`
    case 'service':
      return value.port === undefined ? protocolText(value.proto) : `${value.port}/${protocolText(value.proto)}`
    default:
      return formatSingle(noun, value)
  }
}

function formatSingle(noun: string, value: Single): string {
  switch (value.type) {
    case 'mac':
      return macText(value.value)
    case 'name':
      return nounNamed(noun)?.kind === 'enum' ? value.value : quoteName(noun, value.value)
    case 'boolean':
      return value.value ? 'yes' : 'no'
    case 'number': {
      const kind = nounNamed(noun)?.kind
      if (kind === 'proto') return protocolText(value.value)
      return kind === 'ethertype' ? ethertypeText(value.value) : String(value.value)
    }
    default:
      return String(value.value)
  }
}

const PLAIN = /^[\p{L}\p{N}_.:@-]+$/u
const WORDS = new Set([
  'and',
  'or',
  'not',
  'in',
  'like',
  'eq',
  'ne',
  'gt',
  'ge',
  'lt',
  'le',
  ...NOUNS.map((n) => n.name),
])

/** A name as it must be written: plain where it can't be taken for anything else, else in quotes. */
export function quoteName(noun: string, name: string): string {
  const plain =
    PLAIN.test(name) &&
    !WORDS.has(name.toLowerCase()) &&
    !((noun === 'host' || nounNamed(noun)?.kind === 'as') && /^[\d:.]/.test(name)) &&
    !(noun === 'host' && name.includes(':')) &&
    !(noun === 'exporter' && /^[\d:.]/.test(name) && !parseIp(name))
  return plain ? name : quote(name)
}

function quote(text: string): string {
  return `"${text.replaceAll(/[\\"]/g, (sign) => `\\${sign}`)}"`
}
