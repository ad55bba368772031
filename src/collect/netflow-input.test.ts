import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NOW, create, BASIC, basic, decode } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ipfix,
  mac,
  netflow5,
  netflow9,
  optionsTemplate,
  optionsTemplate9,
  SECONDS,
  set,
  template,
  testSink,
  u32,
  u64,
  variable,
  type FieldSpec,
} from '../../test/fixtures/netflow-messages.ts'

describe('bad input', () => {
  const fields: readonly FieldSpec[] = [...BASIC, [82, 65535], [56, 6], [152, 8], [153, 8]]
  const record = [
    ...basic('192.0.2.1', 10),
    ...variable([101, 116, 104]),
    ...mac('02:00:00:00:00:01'),
    ...u64(SECONDS * 1000),
    ...u64(SECONDS * 1000),
  ]
  const messages = [
    ipfix(
      {},
      set(2, template(256, fields)),
      set(256, record, record),
      set(
        3,
        optionsTemplate(
          257,
          [[149, 4]],
          [
            [34, 4],
            [82, 65535],
          ],
        ),
      ),
      set(257, [...u32(1), ...u32(9), ...variable([1])]),
    ),
    netflow9(
      {},
      set(0, template(256, BASIC)),
      set(
        1,
        optionsTemplate9(
          257,
          [[2, 4]],
          [
            [34, 4],
            [82, 4],
          ],
        ),
      ),
      set(256, basic('192.0.2.1', 9)),
      set(257, [...u32(1), ...u32(9), 65, 66, 67, 68]),
    ),
    netflow5({}, [{}, {}]),
  ]

  test('a message cut at any byte makes no row that the whole does not make', () => {
    for (const message of messages) {
      const whole = decode([message]).rows.map((r) => JSON.stringify(r))
      for (let cut = 0; cut < message.length; cut++) {
        const { rows, problems } = decode([message.subarray(0, cut)])
        for (const [i, json] of rows.entries())
          assert.equal(
            JSON.stringify({ ...json, sampling_rate: 0 }),
            JSON.stringify({ ...JSON.parse(whole[i] as string), sampling_rate: 0 }),
          )
        if (rows.length < whole.length && message[1] !== 9) assert.ok(problems.length > 0, `cut at ${cut}`)
      }
    }
  })

  test('nothing outside its own bytes is read, wherever in the buffer a datagram lies', () => {
    for (const message of messages) {
      const buffer = new Uint8Array(message.length + 2000)
      buffer.set(message, 1000)
      for (let cut = 0; cut <= message.length; cut++) {
        const sink = testSink()
        create().datagram({ ...datagram(buffer), offset: 1000, length: cut }, sink)
        const alone = decode([message.subarray(0, cut)])
        assert.deepEqual([sink.rows(), sink.problems], [alone.rows, alone.problems], `cut at ${cut}`)
      }
    }
  })

  test('flipped bytes and random bytes never throw, and rows never exceed what was sent', () => {
    const ingest = create()
    const sink = testSink(65_536)
    fc.assert(
      fc.property(
        fc.constantFrom(...messages),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        (message, flips) => {
          const bytes = message.slice()
          for (const [at, value] of flips) if (at < bytes.length) bytes[at] = value
          sink.flows.clear()
          ingest.datagram(datagram(bytes), sink)
          assert.ok(sink.flows.n <= 2 * bytes.length)
        },
      ),
      { numRuns: 3000 },
    )
    fc.assert(
      fc.property(fc.constantFrom(5, 7, 9, 10), fc.uint8Array({ maxLength: 300 }), (version, rest) => {
        sink.flows.clear()
        ingest.datagram(datagram(Uint8Array.from([0, version, ...rest])), sink)
      }),
      { numRuns: 3000 },
    )
    ingest.tick(NOW + 1e9, sink)
    JSON.stringify(ingest.save())
  })

  test('a version that is none of ours, and nothing at all, are told of', () => {
    assert.deepEqual(decode([Uint8Array.of(0, 8, 0, 0)]).problems, ['bad_version'])
    assert.deepEqual(decode([new Uint8Array(0)]).problems, ['empty'])
    assert.deepEqual(decode([Uint8Array.of(0)]).problems, ['truncated'])
  })
})
