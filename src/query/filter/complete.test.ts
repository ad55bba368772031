import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completeFilter, completedValue } from './complete.ts'
import { parseFilter } from './parse.ts'

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
  assert.deepEqual(completeFilter('port i', 6).options, [{ label: 'in', kind: 'operator', detail: 'one of a list' }])
  assert.equal(completeFilter('i', 1).options[0]?.detail, 'input side')
  assert.ok(labels('proto t').includes('tcp'))
  assert.deepEqual(labels('proto ').slice(0, 3), ['tcp', 'udp', 'icmp'])
  assert.deepEqual(labels('src and '), ['dst'])
  assert.deepEqual(labels('out or i'), ['in'])
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
  assert.deepEqual(completeFilter('vm in [web ', 11).values, { column: 'vm', noun: 'vm', prefix: '' })
  assert.equal(completedValue('vm', 'web-1'), 'web-1')
  assert.equal(completedValue('vm', 'big one'), '"big one"')
})

test('live values are offered for whatever has been seen, in the form in which they are written', () => {
  assert.equal(completeFilter('src ip 10.', 10).values?.column, 'src_addr')
  assert.equal(completeFilter('port ', 5).values?.column, 'port')
  assert.equal(completeFilter('in if ', 6).values?.column, 'in_if')
  assert.equal(completeFilter('dst country ', 12).values?.column, 'dst_country')
  assert.equal(completeFilter('src_mask ', 9).values?.column, 'src_mask')
  assert.equal(completeFilter('locality ', 9).values, undefined)
  for (const [noun, value, written] of [
    ['ip', '10.0.0.1', '10.0.0.1'],
    ['service', '443/tcp', '443/tcp'],
    ['as', '65000', '65000'],
    ['exporter', '192.0.2.1', '192.0.2.1'],
    ['exporter', '10.edge', '"10.edge"'],
    ['exporter', 'edge one', '"edge one"'],
    ['mac', '02:00:5e:10:00:01', '02:00:5e:10:00:01'],
  ] as const) {
    assert.equal(completedValue(noun, value), written)
    assert.ok(parseFilter(`${noun} ${written}`).ok, written)
  }
})

test('saved filters are offered where a test can stand, by @ and their name', () => {
  const saved = ['web', 'web-new', 'db']
  const offered = (text: string): string[] =>
    completeFilter(text, text.length, saved).options.flatMap(({ label, kind }) => (kind === 'filter' ? [label] : []))
  assert.deepEqual(offered('ipv4 and not @w'), ['@web', '@web-new'])
  assert.deepEqual(offered(''), ['@web', '@web-new', '@db'])
  assert.deepEqual(offered('(@'), ['@web', '@web-new', '@db'])
  assert.deepEqual(offered('vm '), [])
  assert.deepEqual(labels('bytes > 1000 * pack'), ['packets'])
})

test('nothing is offered behind a mistake, and the cursor may stand in the middle', () => {
  assert.deepEqual(labels('foo bar '), [])
  assert.ok(completeFilter('po and ipv4', 2).options.some((o) => o.label === 'port'))
})
