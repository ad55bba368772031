import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UserError } from '../base/errors.ts'
import { compileFilter } from './bpf.ts'

const ETHERNET = 1

/** The marked part of the filter; '$' if something is missing at its end. */
function marked(filter: string): string | undefined {
  try {
    compileFilter(filter, ETHERNET)
  } catch (error) {
    assert.ok(error instanceof UserError)
    const [, text, marks] = error.message.split('\n')
    if (marks === undefined) return undefined
    assert.equal(text, `  ${filter}`)
    const from = marks.indexOf('^') - 2
    assert.equal(error.position, from)
    return filter.slice(from, from + marks.trim().length) || '$'
  }
  return assert.fail('it is right')
}

test('a wrong filter is marked where its mistake is', () => {
  const cases: readonly (readonly [filter: string, place: string])[] = [
    ['udp prot 53', 'prot'],
    ['udp port 53 and and tcp', 'and tcp'.slice(0, 3)],
    ['tcp and (udp or icmp', '$'],
    ['udp port', '$'],
    ['udp port 53)', ')'],
    ['tcp port 70000', '70000'],
    ['host 1.2.3.4 oder udp', 'oder'],
    ['tcp[13] & 2 != 0 nicht udp', 'nicht'],
    ['udp port nosuchservice', 'nosuchservice'],
    ['ip host 10.0.0.0.0', '10.0.0.0.0'],
  ]
  for (const [filter, place] of cases) assert.equal(marked(filter), place, filter)
})
