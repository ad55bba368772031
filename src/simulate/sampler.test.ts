import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Random } from './random.ts'
import { Sampler } from '../capture/sampler.ts'

/** Positions of all samples in a stream that comes in trains of these lengths. */
function positions(sampler: Sampler, trains: readonly number[]): number[] {
  const found: number[] = []
  let start = 0
  for (const train of trains) {
    for (let left = train; left > 0;) {
      const position = sampler.next(left)
      if (position === 0) break
      left -= position
      found.push(start + train - left)
    }
    start += train
  }
  return found
}

test('a stream is sampled at the same packets however it is cut into trains', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 50 }),
      fc.integer(),
      fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 30 }),
      (rate, seed, trains) => {
        const total = trains.reduce((sum, train) => sum + train, 0)
        const one = new Sampler(rate, new Random(seed >>> 0, 'test'))
        const cut = new Sampler(rate, new Random(seed >>> 0, 'test'))
        const byPacket = positions(
          one,
          Array.from({ length: total }, () => 1),
        )
        assert.deepEqual(positions(cut, trains), byPacket)
        assert.equal(cut.pool, total)
        assert.equal(cut.sequence, byPacket.length)
      },
    ),
  )
})

test('the pool at a sample counts the packets up to and with it', () => {
  const sampler = new Sampler(10, new Random(3, 'test'))
  let seen = 0
  for (let i = 0; i < 1000; i++) {
    const position = sampler.next(7)
    seen += position === 0 ? 7 : position
    assert.equal(sampler.pool, seen)
  }
})

test('the distance between samples is uniform from 1 to 2N − 1', () => {
  const rate = 5
  const found = positions(new Sampler(rate, new Random(11, 'test')), [1_000_000])
  const counts = new Map<number, number>()
  for (let i = 1; i < found.length; i++) {
    const distance = (found[i] as number) - (found[i - 1] as number)
    counts.set(distance, (counts.get(distance) ?? 0) + 1)
  }
  assert.deepEqual(
    [...counts.keys()].sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  const expected = (found.length - 1) / 9
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // The 99.9 % point with 8 degrees of freedom.
  assert.ok(chiSquare < 26.1, `chi-square ${chiSquare}`)
})

test('every packet, the first included, is sampled with probability 1/N', () => {
  const rate = 8
  const counts = Array.from({ length: 40 }, () => 0)
  const streams = 40_000
  for (let seed = 0; seed < streams; seed++) {
    for (const position of positions(new Sampler(rate, new Random(seed, 'each')), [40]))
      counts[position - 1] = (counts[position - 1] as number) + 1
  }
  const expected = streams / rate
  for (const [i, count] of counts.entries()) {
    const score = (count - expected) / Math.sqrt(expected * (1 - 1 / rate))
    assert.ok(Math.abs(score) < 4.5, `packet ${i + 1} was sampled ${count} times, not about ${expected}`)
  }
})

test('a rate of 1 samples every packet', () => {
  assert.deepEqual(positions(new Sampler(1, new Random(1, 'test')), [3, 2]), [1, 2, 3, 4, 5])
})
