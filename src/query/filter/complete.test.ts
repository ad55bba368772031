import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeFilter, completedValue } from './complete.ts'

function labels(text: string): string[] {
  return completeFilter(text, text.length).options.map((option) => option.label)
}

test('an empty filter offers tests, sides and not', () => {
  const offered = labels('')
  for (const word of ['any', 'not', '(', 'src', 'dst', 'ip', 'vlan', 'vm', 'locality'])
    assert.ok(offered.includes(word), word)
  assert.ok(!offered.includes('and'))
  assert.deepEqual(offered.slice(0, 6), ['src', 'dst', 'in', 'out', 'ipv4', 'ipv6'])
})

test('a word that is being typed narrows what is offered, from its first character', () => {
  const { from, options } = completeFilter('any and src v', 13)
  assert.equal(from, 12)
  assert.deepEqual(
    options.map((o) => o.label),
    ['vm', 'vlan'],
  )
  assert.deepEqual(labels('icmp'), ['icmp-type', 'icmp-code', 'icmp_type', 'icmp_code'])
})

test('behind a whole test only and, or and a closing bracket fit', () => {
  assert.deepEqual(labels('proto tcp '), ['and', 'or'])
  assert.deepEqual(labels('(proto tcp ').sort(), [')', 'and', 'or'])
})

test('behind a noun its comparators and its fixed values are offered', () => {
  assert.deepEqual(labels('port '), ['in', '=', '!=', '<', '>', '<=', '>='])
  assert.ok(labels('proto t').includes('tcp'))
  assert.deepEqual(labels('locality vm_'), ['vm_physical', 'vm_external'])
})

test('behind a comparator the sides of another column are offered, and behind these its words', () => {
  assert.deepEqual(labels('src port = '), ['src', 'dst'])
  assert.deepEqual(labels('src ip = dst '), ['ip', 'net', 'tun ip', 'inner ip'])
  assert.ok(labels('in if != out ').includes('if'))
  assert.deepEqual(labels('port '), ['in', '=', '!=', '<', '>', '<=', '>='])
  assert.ok(labels('fwdstat d').includes('drop'))
})

test('names are asked for by their dimension and side', () => {
  assert.deepEqual(completeFilter('src vm we', 9).values, { column: 'src_vm', noun: 'vm', prefix: 'we' })
  assert.deepEqual(completeFilter('vm "big o', 9).values, { column: 'vm', noun: 'vm', prefix: 'big o' })
  assert.deepEqual(completeFilter('vm in [web, d', 13).values, { column: 'vm', noun: 'vm', prefix: 'd' })
  assert.equal(completedValue('vm', 'web-1'), 'web-1')
  assert.equal(completedValue('vm', 'big one'), '"big one"')
})

test('nothing is offered behind a mistake, and the cursor may stand in the middle', () => {
  assert.deepEqual(labels('foo bar '), [])
  assert.ok(completeFilter('po and ipv4', 2).options.some((o) => o.label === 'port'))
})
