import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { NOW, create, BASIC, basic, pick } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ip,
  ipfix,
  netflow5,
  optionsTemplate,
  set,
  template,
  testSink,
  u32,
  variable,
} from '../../test/fixtures/netflow-messages.ts'
import type { RowJson } from '../flow/row-json.ts'

describe('what is kept', () => {
  test('templates and sampling outlive a restart', () => {
    const before = create()
    const sink = testSink()
    before.datagram(
      datagram(
        ipfix(
          {},
          set(2, template(256, [...BASIC, [48, 1]])),
          set(
            3,
            optionsTemplate(
              257,
              [[149, 4]],
              [
                [48, 1],
                [50, 4],
              ],
            ),
          ),
          set(257, [...u32(1), 3, ...u32(1000)]),
        ),
        { port: 4000 },
      ),
      sink,
    )
    const state: unknown = JSON.parse(JSON.stringify(before.save()))
    const after = create()
    assert.deepEqual(after.restore(state), { restored: 1, refused: 0 })
    assert.equal(
      after.datagram(datagram(ipfix({ sequence: 9 }, set(256, [...basic('192.0.2.1', 10), 3])), { port: 4000 }), sink),
      1,
    )
    assert.deepEqual(pick(sink.rows()[0] as RowJson, 'bytes', 'sampling_rate'), [10, 1000])
  })

  test('a state that is none, old or damaged is refused without a word of complaint', () => {
    for (const state of [undefined, null, 7, 'x', [], {}, { version: 99 }, { version: 2, layouts: [], streams: 3 }])
      assert.deepEqual(create().restore(state), { restored: 0, refused: 1 })
    const source = create()
    source.datagram(datagram(ipfix({}, set(2, template(256, BASIC)))), testSink())
    const text = JSON.stringify(source.save())
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', '9', '"', '-', 'e', ']', 'null', ''), (at, put) => {
        let state: unknown
        try {
          state = JSON.parse(text.slice(0, at) + put + text.slice(at + 1))
        } catch {
          return
        }
        const ingest = create()
        ingest.restore(state)
        ingest.datagram(datagram(ipfix({}, set(256, basic('192.0.2.1', 1)))), testSink())
      }),
    )
    const late = create({}, NOW + 30 * 86_400_000)
    late.restore(JSON.parse(text))
    assert.equal(late.counts().templates, 0)
  })

  test('a flood of sources pushes out its like and not the exporter that delivers', () => {
    const ingest = create({ maxStreams: 100 })
    const sink = testSink()
    const honest = (i: number, at: number): number =>
      ingest.datagram(
        datagram(
          ipfix({ sequence: i }, ...(i === 0 ? [set(2, template(256, BASIC))] : []), set(256, basic('192.0.2.1', 1))),
          { address: '10.1.1.1', at },
        ),
        sink,
      )
    for (let i = 0; i < 10; i++) assert.equal(honest(i, NOW + i * 1000), 1)
    for (let i = 0; i < 5000; i++) {
      ingest.datagram(
        datagram(ipfix({}, set(2, template(256, BASIC)), set(256, basic('192.0.2.1', 1))), {
          address: `172.16.${i >> 8}.${i & 255}`,
          at: NOW + 20_000,
        }),
        sink,
      )
      sink.flows.n = 0
    }
    assert.equal(honest(10, NOW + 30_000), 1)
    assert.deepEqual([ingest.counts().streams, ingest.counts().evicted], [100, 4901])
    assert.equal(ingest.counts().templates, 100)
  })

  test('an exporter that announces ever new templates gives up its own', () => {
    const ingest = create({ maxTemplates: 1000, maxTemplatesOfStream: 200 })
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, set(2, template(300, BASIC))), { address: '10.1.1.1' }), sink)
    for (let i = 0; i < 3000; i++)
      ingest.datagram(
        datagram(
          ipfix(
            {},
            set(
              2,
              template(256 + i, [
                [8, 4],
                [(i % 300) + 1, 4],
              ]),
            ),
          ),
        ),
        sink,
      )
    assert.equal(ingest.counts().templates, 201)
    assert.equal(sink.problems.filter((code) => code === 'template_limit').length, 2800)
    assert.equal(
      ingest.datagram(datagram(ipfix({}, set(300, basic('192.0.2.1', 1))), { address: '10.1.1.1' }), sink),
      1,
    )
  })

  test('50,000 exporters and 100,000 templates leave memory bounded', () => {
    const ingest = create()
    const sink = testSink()
    const before = process.memoryUsage().heapUsed
    const fields = Array.from({ length: 24 }, (_, i) => [i + 1, 4] as const)
    // Addresses, domains, ids and fields are changed in place: a message a template, but not a message built for each.
    const exporters = datagram(
      ipfix(
        {},
        set(
          2,
          template(256, fields),
          template(257, [
            [8, 4],
            [1, 4],
          ]),
        ),
      ),
    )
    for (let i = 0; i < 70_000; i++) {
      exporters.source3 = i * 256 + 10
      exporters.view.setUint16(exporters.length - 4, (i & 0x3fff) + 1)
      ingest.datagram(exporters, sink)
    }
    assert.deepEqual(
      { ...ingest.counts(), revision: 0 },
      { streams: 65_536, evicted: 70_000 - 65_536, templates: 131_072, pending: 0, revision: 0 },
    )
    const templates = datagram(
      ipfix(
        {},
        set(
          2,
          template(256, [
            [8, 4],
            [1, 8],
          ]),
        ),
      ),
    )
    for (let i = 0; i < 120_000; i++) {
      templates.view.setUint32(12, i >> 13)
      templates.view.setUint16(20, 256 + (i & 0x1fff))
      templates.view.setUint16(templates.length - 4, (i & 0x7fff) + 1)
      ingest.datagram(templates, sink)
    }
    assert.ok(ingest.counts().templates <= 131_072)
    assert.ok(process.memoryUsage().heapUsed - before < 600e6)
  })

  test('templates neither announced nor used for a day are forgotten', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(ipfix({}, set(2, template(256, BASIC), template(257, BASIC)))), sink)
    ingest.datagram(datagram(ipfix({}, set(257, basic('192.0.2.1', 1))), { at: NOW + 80_000_000 }), sink)
    ingest.tick(NOW + 90_000_000, sink)
    assert.deepEqual(
      ingest.streams(1)[0]?.templates.map((t) => t.id),
      [257],
    )
  })

  test('the status of a stream says what it is about', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(datagram(netflow5({ sampling: 100 }, [{}, {}])), sink)
    ingest.datagram(datagram(netflow5({ sampling: 100, sequence: 12 }, [{}])), sink)
    const [status] = ingest.streams(5)
    assert.deepEqual(status, {
      exporter: '10.0.0.1',
      sourcePort: 50_000,
      protocol: 'netflow5',
      observation: 0,
      firstHeard: NOW,
      lastHeard: NOW,
      datagrams: 2,
      flows: 3,
      others: 0,
      templates: [],
      sampling: [{ rate: 100, from: 'header' }],
      lost: 10,
      reordered: 0,
      restarts: 0,
      pending: 0,
      problems: {},
    })
  })

  test('without room for rows nothing is written and nothing breaks', () => {
    const ingest = create()
    const sink = testSink(64, true)
    assert.equal(ingest.datagram(datagram(netflow5({}, [{}, {}])), sink), 0)
    ingest.datagram(
      datagram(
        ipfix(
          {},
          set(
            2,
            template(256, [
              [8, 4],
              [82, 65535],
            ]),
          ),
          set(256, [...ip('192.0.2.1'), ...variable([1])]),
        ),
      ),
      sink,
    )
    assert.deepEqual([sink.flows.n, sink.problems], [0, []])
  })
})
