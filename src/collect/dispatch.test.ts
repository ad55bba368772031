import assert from 'node:assert/strict'
import { test } from 'node:test'
import { familyOf, firstBytesText, RefusedSources } from './dispatch.ts'
import type { Datagram } from './ingest.ts'
import { datagramOver } from './receive.ts'

function datagram(bytes: readonly number[], source = 0x0100007f): Datagram {
  const padded = new Uint8Array(64)
  padded.set(bytes, 8)
  return { ...datagramOver(padded.buffer), offset: 8, length: bytes.length, source2: 0xffff0000, source3: source }
}

test('each protocol is told apart by its first bytes', () => {
  assert.equal(familyOf(datagram([0, 5, 0, 1])), 'netflow')
  assert.equal(familyOf(datagram([0, 7, 0, 1])), 'netflow')
  assert.equal(familyOf(datagram([0, 9, 0, 1])), 'netflow')
  assert.equal(familyOf(datagram([0, 10, 0, 16])), 'netflow')
  assert.equal(familyOf(datagram([0, 0, 0, 5])), 'sflow')
})

test('what belongs to no protocol is refused with its reason', () => {
  assert.equal(familyOf(datagram([])), 'empty')
  assert.equal(familyOf(datagram([0, 9, 0])), 'truncated')
  assert.equal(familyOf(datagram([0, 0, 0, 4])), 'bad_version')
  assert.equal(familyOf(datagram([0, 8, 0, 1])), 'bad_version')
  assert.equal(familyOf(datagram([0x3c, 0x31, 0x33, 0x3e])), 'bad_version')
})

test('the first bytes of a refused datagram are said in words', () => {
  assert.equal(firstBytesText(4), 'sFlow version 4')
  assert.equal(firstBytesText(0x00080001), 'NetFlow version 8')
  assert.equal(firstBytesText(0x3c31333e), 'syslog')
  assert.equal(firstBytesText(0x47455420), 'the text "GET "')
  assert.equal(firstBytesText(0xdeadbeef), 'the bytes deadbeef')
})

test('refused sources are counted apart by address and reason', () => {
  const refused = new RefusedSources(16)
  refused.add(datagram([1, 2, 3, 4]), 'bad_version')
  refused.add(datagram([0, 0, 0, 4]), 'bad_version')
  refused.add(datagram([]), 'empty')
  refused.add(datagram([], 0x0200007f), 'empty')
  const list = refused.list(10).map(({ source, code, count, firstBytes }) => ({ source, code, count, firstBytes }))
  assert.deepEqual(list[0], { source: '127.0.0.1', code: 'bad_version', count: 2, firstBytes: 4 })
  assert.equal(list.length, 3)
  assert.deepEqual(new Set(list.map(({ source }) => source)), new Set(['127.0.0.1', '127.0.0.2']))
})

test('a flood from ever new addresses keeps to the table and leaves the latest in it', () => {
  const refused = new RefusedSources(64)
  for (let i = 0; i < 100_000; i++) refused.add({ ...datagram([1, 2, 3, 4], i), receivedAt: i }, 'bad_version')
  refused.add({ ...datagram([1, 2, 3, 4], 0x0300000a), receivedAt: 100_000 }, 'bad_version')
  const list = refused.list(1000)
  assert.ok(list.length <= 64)
  assert.ok(list.some(({ source }) => source === '10.0.0.3'))
})
