import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { Sequence } from './netflow-sequence.ts'

type Datagram = readonly [sequence: number, units: number, restarted?: boolean, flows?: number]

function observe(
  counting: 'before' | 'datagrams',
  datagrams: readonly Datagram[],
): { lost: number; reordered: number; restarts: number } {
  const sequence = new Sequence(counting)
  for (const [number, units, restarted, flows] of datagrams)
    sequence.observe(number >>> 0, units, flows ?? units, restarted ?? false)
  const { lost, reordered, restarts } = sequence
  return { lost, reordered, restarts }
}

const NONE = { lost: 0, reordered: 0, restarts: 0 }

/** Datagrams of these record counts as an exporter numbers them by the standard: the records sent before. */
function numbered(counts: readonly number[], from = 0): Datagram[] {
  let sequence = from
  return counts.map((count) => {
    const one: Datagram = [sequence >>> 0, count]
    sequence += count
    return one
  })
}

const counts = fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 3, maxLength: 60 })

describe('sequence numbers', () => {
  test('a whole stream has no gaps, wherever its numbers start and wrap', () => {
    fc.assert(
      fc.property(counts, fc.nat(0xffff_ffff), (list, from) => {
        assert.deepEqual(observe('before', numbered(list, from)), NONE)
        assert.deepEqual(
          observe(
            'datagrams',
            list.map((count, i) => [from + i, count]),
          ),
          NONE,
        )
      }),
    )
  })

  test('what is left out in the middle is lost, in records or in datagrams', () => {
    const all = numbered([30, 30, 7, 30, 30])
    assert.deepEqual(observe('before', all.toSpliced(1, 2)), { ...NONE, lost: 37 })
    assert.deepEqual(
      observe('datagrams', [
        [5, 30],
        [6, 30],
        [9, 30],
      ]),
      { ...NONE, lost: 2 },
    )
  })

  test('what comes late was not lost', () => {
    const [a, b, c, d] = numbered([30, 20, 10, 5], 4000) as [Datagram, Datagram, Datagram, Datagram]
    assert.deepEqual(observe('before', [a, c, b, d]), { ...NONE, reordered: 1 })
    assert.deepEqual(
      observe('datagrams', [
        [1, 9],
        [2, 9],
        [4, 9],
        [3, 9],
        [5, 9],
      ]),
      { ...NONE, reordered: 1 },
    )
  })

  test('an exporter that starts anew has lost nothing', () => {
    assert.deepEqual(
      observe('before', [
        [100_000, 30],
        [100_030, 30],
        [0, 30],
        [30, 30],
      ]),
      { ...NONE, restarts: 1 },
    )
    assert.deepEqual(
      observe('datagrams', [
        [100_000, 30],
        [100_001, 30],
        [0, 30],
        [1, 30],
      ]),
      { ...NONE, restarts: 1 },
    )
    assert.deepEqual(
      observe('before', [
        [90, 30],
        [120, 30],
        [60, 30, true],
        [90, 30],
      ]),
      { ...NONE, restarts: 1 },
      'told by its uptime',
    )
  })

  test('one stray number far away does not count as millions lost; a second one is a new start', () => {
    assert.deepEqual(
      observe('datagrams', [
        [10, 1],
        [11, 1],
        [3_000_000_000, 1],
        [12, 1],
        [13, 1],
      ]),
      NONE,
    )
    assert.deepEqual(
      observe('datagrams', [
        [10, 1],
        [11, 1],
        [2_000_000_000, 1],
        [2_000_000_001, 1],
        [2_000_000_002, 1],
      ]),
      { ...NONE, restarts: 1 },
    )
  })

  test('records that could not be counted leave no false gap', () => {
    assert.deepEqual(
      observe('before', [
        [0, 30],
        [30, -1],
        [55, 10],
        [65, 10],
      ]),
      NONE,
    )
  })

  test('an exporter that counts datagrams, or the records of this message too, is found out', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 30 }), { minLength: 20, maxLength: 60 }), (list) => {
        assert.ok(
          observe(
            'before',
            list.map((count, i) => [i, count]),
          ).lost <= 0,
        )
        let sum = 0
        assert.deepEqual(
          observe(
            'before',
            list.map((count) => [(sum += count), count]),
          ),
          NONE,
        )
        assert.deepEqual(observe('datagrams', numbered(list)), NONE)
      }),
    )
  })

  test('an exporter that leaves its options records out of the count loses nothing', () => {
    let sum = 0
    const datagrams = Array.from({ length: 60 }, (_, i): Datagram => [(sum += 20), i % 16 === 0 ? 21 : 20, false, 20])
    assert.deepEqual(observe('before', datagrams), NONE)
  })

  test('random numbers never give a loss that is no number', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(0xffff_ffff), fc.integer({ min: -1, max: 3000 }), fc.boolean()), { maxLength: 50 }),
        (list) => {
          const { lost, reordered, restarts } = observe('before', list as Datagram[])
          assert.ok(Number.isSafeInteger(lost) && reordered >= 0 && restarts >= 0)
        },
      ),
    )
  })
})
