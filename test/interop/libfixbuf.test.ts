import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import type { FieldValue } from '../../src/wire/ipfix/values.ts'
import { ip, ipfix, optionsTemplate, set, template, u16, u32, u64, u8, variable } from '../fixtures/netflow-messages.ts'
import { run } from './processes.ts'
import { temporaryFolder } from './server.ts'

// libfixbuf's ipfixDump reads the same IPFIX file: structured data (RFC 6313) and elements that the exporter tells of (RFC 5610) mean the same
// to both.

const folder = temporaryFolder()
after(() => folder.remove())

const list = (...parts: number[][]): number[] => variable(parts.flat())
const text = (value: string): number[] => variable([...Buffer.from(value)])

const MESSAGES = [
  ipfix(
    { sequence: 0 },
    set(
      3,
      optionsTemplate(
        300,
        [
          [346, 4],
          [303, 2],
        ],
        [
          [339, 1],
          [344, 1],
          [345, 2],
          [342, 8],
          [343, 8],
          [341, 65_535],
          [340, 65_535],
        ],
      ),
    ),
    set(300, [
      ...u32(50_000),
      ...u16(7),
      ...u8(2),
      ...u8(0),
      ...u16(0),
      ...u64(0),
      ...u64(0),
      ...text('appPort'),
      ...text('a port'),
    ]),
  ),
  // To libfixbuf a type holds for templates that come after it.
  ipfix(
    { sequence: 1 },
    set(
      2,
      template(256, [
        [8, 4],
        [291, 65_535],
        [292, 65_535],
        [293, 65_535],
      ]),
      template(257, [
        [7, 2],
        [82, 65_535],
      ]),
      template(258, [
        [12, 4],
        [11, 2],
        [7, 2, 50_000],
        [292, 65_535],
      ]),
    ),
    set(256, [
      ...ip('192.0.2.1'),
      ...list(u8(3), u16(1), u16(8), u64(10), u64(20), u64(2 ** 40)),
      ...list(u8(4), u16(257), u16(80), text('eth0'), u16(443), text('eth1')),
      ...list(
        u8(1),
        u16(258),
        u16(4 + 8 + 11),
        ip('198.51.100.7'),
        u16(53),
        u16(8053),
        list(u8(0), u16(257), u16(25), text('smtp')),
        u16(257),
        u16(4 + 7),
        u16(22),
        text('ssh0'),
      ),
    ]),
  ),
]

/** `name value` of each field, in the order of the record, lists opened. */
function leaves(fields: FieldValue): string[] {
  if (fields === null || typeof fields !== 'object') return [String(fields)]
  if (Array.isArray(fields)) return fields.flatMap(leaves)
  const all = fields as Readonly<Record<string, FieldValue>>
  if ('values' in all) return leaves(all['values'] as FieldValue)
  if ('records' in all) return leaves(all['records'] as FieldValue)
  if ('lists' in all) return leaves(all['lists'] as FieldValue)
  return Object.entries(all).flatMap(([name, value]) =>
    typeof value === 'object' ? leaves(value) : [`${name} ${value as string}`],
  )
}

/** The same out of ipfixDump's text: `(8) sourceIPv4Address : 192.0.2.1`, `(82) interfaceName : (len: 4) eth0`, and in a basicList `1  : 10`. */
function dumped(output: string): string[] {
  return output.split('\n').flatMap((line) => {
    const field = /^\s*\([\d/]+\)(?: \(S\))?\s+(\w+) : (?:\(len: \d+\) )?(\S.*)$/.exec(line)
    if (field) return [`${field[1]} ${field[2]}`]
    const value = /^\s*\d+\s+: (\S.*)$/.exec(line)
    return value ? [value[1] as string] : []
  })
}

test('lists within lists and elements told by the exporter are what libfixbuf reads', () => {
  const file = join(folder.path, 'lists.ipfix')
  writeFileSync(file, Buffer.concat(MESSAGES))
  const theirs = dumped(run('ipfixDump', ['--rfc5610', '--data', '--in', file]))
  const reader = createNetflowReader()
  const ours = MESSAGES.flatMap((message) => reader.read(message, '192.0.2.9')).flatMap((record) =>
    record.kind === 'flow' || record.kind === 'options' ? leaves(record.fields) : [],
  )
  assert.deepEqual(ours, theirs)
  assert.ok(ours.includes('appPort 8053') && ours.includes('interfaceName smtp'))
})
