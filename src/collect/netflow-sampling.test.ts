import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { create, decode } from '../../test/fixtures/netflow-ingest.ts'
import {
  datagram,
  ip,
  ipfix,
  netflow9,
  optionsTemplate,
  optionsTemplate9,
  set,
  template,
  testSink,
  u16,
  u32,
  u64,
  type FieldSpec,
} from '../../test/fixtures/netflow-messages.ts'

describe('sampling', () => {
  const flow = (...more: FieldSpec[]): number[] => set(2, template(256, [[8, 4], ...more]))
  const rates = (...messages: Uint8Array[]): unknown[] => decode(messages).rows.map((r) => r['sampling_rate'])

  test('a rate told in options holds, even if it stands behind the data in the same datagram', () => {
    const options = [
      set(
        3,
        optionsTemplate(
          257,
          [[149, 4]],
          [
            [34, 4],
            [35, 1],
          ],
        ),
      ),
      set(257, [...u32(1), ...u32(512), 2]),
    ]
    const data = set(256, ip('192.0.2.1'))
    assert.deepEqual(rates(ipfix({}, flow(), ...options, data)), [512])
    assert.deepEqual(rates(ipfix({}, flow(), data, ...options)), [512])
  })

  test('a record finds the rate of its sampler', () => {
    const sampler = (id: number, rate: number): number[] => [...u32(0), id, 2, ...u32(rate)]
    assert.deepEqual(
      rates(
        netflow9(
          {},
          set(
            1,
            optionsTemplate9(
              257,
              [[1, 4]],
              [
                [48, 1],
                [49, 1],
                [50, 4],
              ],
            ),
          ),
          set(257, sampler(1, 100), sampler(2, 2000)),
        ),
        netflow9(
          { sequence: 1 },
          set(
            0,
            template(256, [
              [8, 4],
              [48, 1],
            ]),
          ),
          set(256, [...ip('192.0.2.1'), 1], [...ip('192.0.2.1'), 2], [...ip('192.0.2.1'), 1], [...ip('192.0.2.1'), 9]),
        ),
      ),
      [100, 2000, 100, 2000],
    )
  })

  test('a record without a sampler is not sampled, unless there is a rate for all', () => {
    const sampler = [
      set(
        1,
        optionsTemplate9(
          257,
          [[1, 4]],
          [
            [48, 1],
            [50, 4],
          ],
        ),
      ),
      set(257, [...u32(0), 1, ...u32(100)]),
    ]
    const general = [set(1, optionsTemplate9(258, [[1, 4]], [[34, 4]])), set(258, [...u32(0), ...u32(50)])]
    const flows = netflow9(
      { sequence: 1 },
      set(
        0,
        template(256, [
          [8, 4],
          [48, 1],
        ]),
      ),
      set(256, [...ip('192.0.2.1'), 0], [...ip('192.0.2.1'), 1]),
    )
    assert.deepEqual(rates(netflow9({}, ...sampler), flows), [1, 100])
    assert.deepEqual(rates(netflow9({}, ...sampler, ...general), flows), [50, 100])
  })

  test('a record finds the rate of its selector: interval and space, size of population, probability', () => {
    const probability = new DataView(new ArrayBuffer(8))
    probability.setFloat64(0, 1 / 4096)
    assert.deepEqual(
      rates(
        ipfix(
          {},
          set(
            3,
            optionsTemplate(
              257,
              [[302, 8]],
              [
                [304, 2],
                [305, 4],
                [306, 4],
              ],
            ),
            optionsTemplate(
              258,
              [[302, 8]],
              [
                [304, 2],
                [309, 4],
                [310, 4],
              ],
            ),
            optionsTemplate(
              259,
              [[302, 8]],
              [
                [304, 2],
                [311, 8],
              ],
            ),
          ),
          set(257, [...u64(1), ...u16(1), ...u32(1), ...u32(99)]),
          set(258, [...u64(2), ...u16(3), ...u32(2), ...u32(2048)]),
          set(259, [...u64(3), ...u16(4), ...new Uint8Array(probability.buffer)]),
        ),
        ipfix({ sequence: 3 }, flow([302, 4]), set(256, ...[1, 2, 3].map((id) => [...ip('192.0.2.1'), ...u32(id)]))),
      ),
      [100, 1024, 4096],
    )
  })

  test('a record finds the rate of the interface it came in by', () => {
    assert.deepEqual(
      rates(
        netflow9(
          {},
          set(1, optionsTemplate9(257, [[2, 4]], [[34, 4]])),
          set(257, [...u32(3), ...u32(100)], [...u32(4), ...u32(400)]),
        ),
        netflow9(
          { sequence: 1 },
          set(
            0,
            template(256, [
              [8, 4],
              [10, 4],
            ]),
          ),
          set(256, ...[3, 4, 3].map((id) => [...ip('192.0.2.1'), ...u32(id)])),
        ),
      ),
      [100, 400, 100],
    )
  })

  test('a record that has its own rate needs no options', () => {
    assert.deepEqual(
      rates(ipfix({}, flow([34, 4]), set(256, [...ip('192.0.2.1'), ...u32(64)], [...ip('192.0.2.1'), ...u32(0)]))),
      [64, 1],
    )
    assert.deepEqual(
      rates(ipfix({}, flow([305, 4], [306, 4]), set(256, [...ip('192.0.2.1'), ...u32(10), ...u32(90)]))),
      [10],
    )
  })

  test('names of interfaces in options are sightings', () => {
    const ingest = create()
    const sink = testSink()
    ingest.datagram(
      datagram(
        netflow9(
          {},
          set(1, optionsTemplate9(257, [[2, 4]], [[82, 8]])),
          set(257, [...u32(3), ...Buffer.from('eth0\0\0\0\0')]),
        ),
      ),
      sink,
    )
    assert.deepEqual(sink.sightings, [{ kind: 'interface', agent: '10.0.0.1', ifIndex: 3, name: 'eth0' }])
  })
})
