import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mentions } from './ast.ts'
import { filterColumns } from './condition.ts'
import { expandFilter, namesIn } from './expand.ts'
import { formatFilter } from './format.ts'
import { parsedFilter } from './parse.ts'
import { FilterError } from './problem.ts'

const SAVED: Readonly<Record<string, string>> = {
  web: 'proto tcp and port in [80, 443]',
  ours: 'net 10.0.0.0/8 or vm ours-*',
  'ours.web': '@ours and not @WEB',
  a: '@b',
  b: 'ipv4 or @c',
  c: 'not @a',
  wrong: 'port 99999',
  lost: 'ipv4 and @gone',
}
const options = { namedFilter: (name: string): string | undefined => SAVED[name] }

function expanded(text: string): string {
  return formatFilter(expandFilter(parsedFilter(text), options))
}

function problemOf(text: string): FilterError {
  try {
    expandFilter(parsedFilter(text), options)
  } catch (error) {
    if (error instanceof FilterError) return error
    throw error
  }
  return assert.fail(`${text} is taken`)
}

test('a name stands for the filter that is saved under it, as if in brackets', () => {
  assert.equal(expanded('@web'), 'proto tcp and port in [80, 443]')
  assert.equal(expanded('not @WEB or ipv6'), 'not (proto tcp and port in [80, 443]) or ipv6')
  assert.equal(
    expanded('@ours.web and bytes > 1k'),
    '((net 10.0.0.0/8 or vm like "ours-*") and not (proto tcp and port in [80, 443])) and bytes > 1000',
  )
})

test('what is wrong is shown at the name in the text that was given', () => {
  const cases: readonly (readonly [string, number, number, RegExp])[] = [
    ['ipv4 and @gone', 9, 5, /no filter is saved under the name “gone”$/],
    ['ipv4 and (@lost)', 10, 5, /“gone”, which “@lost” uses/],
    ['@a', 0, 2, /uses itself: @a → @b → @c → @a/],
    ['any or @wrong', 7, 6, /saved as “@wrong” is wrong: .*65535/],
  ]
  for (const [text, position, length, message] of cases) {
    const problem = problemOf(text)
    assert.deepEqual([problem.position, problem.length], [position, length], text)
    assert.match(problem.message, message)
  }
})

test('names that use names twice are bounded, as is their depth', () => {
  const doubling = (name: string): string | undefined => {
    const level = Number(name.slice(1))
    return level === 0 ? 'ipv4' : `@d${level - 1} or @d${level - 1}`
  }
  assert.throws(() => expandFilter(parsedFilter('@d14'), { namedFilter: doubling }), /more than 5000 tests/)
  const chain = (name: string): string => `@c${Number(name.slice(1)) + 1}`
  assert.throws(() => expandFilter(parsedFilter('@c0'), { namedFilter: chain }), /16 levels deep/)
})

test('the names that a filter uses itself, the words that it mentions and the columns that it reads are told', () => {
  assert.deepEqual([...namesIn(parsedFilter('@ours.web or not (@web and ipv4)'))], ['ours.web', 'web'])
  assert.ok(mentions(expandFilter(parsedFilter('@web'), options), 'port'))
  assert.deepEqual([...filterColumns(parsedFilter('@web and bps > 5'), options)].toSorted(), [
    'bytes',
    'dst_port',
    'proto',
    'src_port',
    'time_end',
    'time_start',
  ])
  assert.deepEqual([...filterColumns(parsedFilter('src vm = dst vm or exporter unknown-*'), options)].toSorted(), [
    'dst_vm',
    'src_vm',
  ])
})
