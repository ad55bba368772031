import { test } from 'node:test'
import assert from 'node:assert/strict'
import { decode, iso, pick } from '../../test/fixtures/netflow-ingest.ts'
import { datagram, ip, SECONDS, u16, u32, UPTIME } from '../../test/fixtures/netflow-messages.ts'
import { familyOf } from './dispatch.ts'

const record = (source: string): number[] => [
  ...ip(source),
  ...ip('198.51.100.2'),
  ...ip('203.0.113.254'),
  ...u16(3),
  ...u16(4),
  ...u32(10),
  ...u32(1000),
  ...u32(UPTIME - 5000),
  ...u32(UPTIME - 1000),
  ...u16(1234),
  ...u16(80),
  ...[0, 0, 6, 0xb8, 0x1b, 0, 0, 0, 0, 0, 0, 0],
]
const netflow1 = (count: number, records: number[][]): Uint8Array =>
  Uint8Array.from([...u16(1), ...u16(count), ...u32(UPTIME), ...u32(SECONDS), ...u32(500_000_000), ...records.flat()])

test('records of NetFlow v1 are rows', () => {
  const { rows, problems } = decode([netflow1(2, [record('192.0.2.1'), record('192.0.2.2')])])
  assert.deepEqual(problems, [])
  assert.deepEqual(
    rows.map((row) => pick(row, 'protocol', 'src_addr', 'dst_addr', 'next_hop', 'in_if', 'out_if', 'packets', 'bytes')),
    [
      ['netflow1', '192.0.2.1', '198.51.100.2', '203.0.113.254', 3, 4, 10, 1000],
      ['netflow1', '192.0.2.2', '198.51.100.2', '203.0.113.254', 3, 4, 10, 1000],
    ],
  )
  assert.deepEqual(
    rows
      .slice(0, 1)
      .map((row) => pick(row, 'src_port', 'dst_port', 'proto', 'tos', 'tcp_flags', 'time_start', 'time_end')),
    [[1234, 80, 6, 0xb8, 0x1b, iso(SECONDS * 1000 + 500 - 5000), iso(SECONDS * 1000 + 500 - 1000)]],
  )
})

test('a datagram of NetFlow v1 that is cut gives its whole records, and is no such datagram for a listener', () => {
  const message = netflow1(2, [record('192.0.2.1'), record('192.0.2.2')])
  const cut = decode([message.slice(0, -1)])
  assert.equal(cut.rows.length, 1)
  assert.deepEqual(cut.problems, ['truncated'])
  assert.equal(familyOf(datagram(message)), 'netflow')
  assert.equal(familyOf(datagram(message.slice(0, -1))), 'bad_version')
  assert.equal(familyOf(datagram(Uint8Array.from([...u16(1), ...u16(8), ...u32(0x2112a442)]))), 'bad_version')
})

test('every length of a datagram of NetFlow v1 is read without a throw', () => {
  const message = netflow1(2, [record('192.0.2.1'), record('192.0.2.2')])
  for (let length = 0; length < message.length; length++) decode([message.slice(0, length)])
})
