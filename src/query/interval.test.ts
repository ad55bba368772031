import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chiSquareQuantile, interval } from './interval.ts'
import { weightOf, type Sums } from './measure.ts'

function near(actual: number, wanted: number, tolerance: number, what: string): void {
  assert.ok(Math.abs(actual - wanted) <= tolerance * Math.abs(wanted), `${what}: ${actual}, not ${wanted}`)
}

test('chi-square quantiles are those of the tables', () => {
  // NIST/SEMATECH e-Handbook 1.3.6.7.4; closed forms for 2 degrees: −2 ln(1 − p).
  const table: readonly (readonly [number, number, number])[] = [
    [0.025, 1, 0.000982069],
    [0.975, 1, 5.02389],
    [0.025, 2, -2 * Math.log(0.975)],
    [0.975, 2, -2 * Math.log(0.025)],
    [0.025, 5, 0.831212],
    [0.975, 5, 12.8325],
    [0.025, 10, 3.24697],
    [0.975, 10, 20.4832],
    [0.025, 30, 16.7908],
    [0.975, 30, 46.9792],
    [0.025, 100, 74.2219],
    [0.975, 100, 129.561],
    [0.5, 4, 3.35669],
    [0.95, 3, 7.81473],
    // scipy.stats.chi2.ppf, for degrees that are not whole.
    [0.025, 3.7, 0.39457687534151664],
    [0.975, 0.3, 2.545055437452546],
    [0.025, 1234.5, 1139.0192085488543],
  ]
  for (const [p, df, wanted] of table) near(chiSquareQuantile(p, df), wanted, 3e-6, `χ²(${p}; ${df})`)
})

test('quantiles rise with the degrees of freedom, without a step where the method changes', () => {
  for (const p of [0.025, 0.975]) {
    let last = 0
    for (let df = 0.02; df < 1e6; df *= 1.17) {
      const x = chiSquareQuantile(p, df)
      assert.ok(x >= last && Number.isFinite(x), `p ${p}, df ${df}: ${x} after ${last}`)
      last = x
    }
    near(chiSquareQuantile(p, 200_001), chiSquareQuantile(p, 199_999), 2e-5, 'at the change')
  }
})

test('what was not sampled is exact; equal weights give the Poisson interval of Garwood', () => {
  assert.deepEqual(interval({ estimate: 700, sampled: 0, variance: 0 }, 0), { low: 700, high: 700 })
  // 10 samples of weight 3: 3 · (4.79539, 18.39036), from tables of the exact Poisson interval.
  const { low, high } = interval({ estimate: 30, sampled: 30, variance: 90 }, 3)
  near(low, 3 * 4.79539, 1e-5, 'low')
  near(high, 3 * 18.39036, 1e-5, 'high')
  const none = interval({ estimate: 5, sampled: 0, variance: 0 }, 3)
  assert.equal(none.low, 5)
  near(none.high, 5 + 3 * 3.68888, 1e-5, 'high of nothing')
})

/** Uniform numbers in [0, 1), the same for the same seed. */
function uniform(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How many of n packets a sampler takes that takes one in `rate`: by the gaps between them, which are geometric. */
function thinned(n: number, rate: number, random: () => number): number {
  const scale = Math.log1p(-1 / rate)
  let taken = 0
  for (let at = Math.floor(Math.log1p(-random()) / scale); at < n; at += 1 + Math.floor(Math.log1p(-random()) / scale))
    taken++
  return taken
}

type Mix = readonly (readonly [size: number, share: number])[]

const MIXES: Readonly<Record<string, Mix>> = {
  equal: [[1000, 1]],
  'data and acknowledgements': [
    [64, 0.5],
    [1514, 0.5],
  ],
  'mostly small': [
    [80, 0.95],
    [1514, 0.05],
  ],
  mixed: [
    [64, 0.35],
    [200, 0.2],
    [576, 0.15],
    [1514, 0.3],
  ],
  jumbo: [
    [80, 0.6],
    [1514, 0.35],
    [9018, 0.05],
  ],
}

/** Size up to which the packets carry 95 % of the bytes, as the store reckons it over the whole. */
function largePacket(mix: Mix): number {
  const bytes = mix.reduce((sum, [size, share]) => sum + size * share, 0)
  let sum = 0
  for (const [size, share] of mix.toSorted(([a], [b]) => a - b)) {
    sum += size * share
    if (sum >= 0.95 * bytes) return size
  }
  return 0
}

test('the true total lies inside in at least 93 of 100 cells sampled 1 in 400, also with few samples, and the estimate is not off', () => {
  const rate = 400
  const runs = 2000
  for (const [name, mix] of Object.entries(MIXES)) {
    const sampling = { rates: [rate], packetBytes: largePacket(mix) }
    for (const packets of [400, 1200, 4000, 12_000, 40_000]) {
      const random = uniform(packets * 31 + name.length)
      const counts = mix.map(([, share]) => Math.round(packets * share))
      const truth = mix.reduce((sum, [size], i) => sum + size * (counts[i] as number), 0)
      let inside = 0
      let sum = 0
      for (let run = 0; run < runs; run++) {
        const sums: Sums = { bytes: 0, packets: 0, flows: 0, variance: 0, sampled: 0 }
        for (const [i, [size]] of mix.entries()) {
          const taken = thinned(counts[i] as number, rate, random)
          sums.bytes += rate * size * taken
          sums.packets += rate * taken
          sums.flows += taken
          sums.variance += rate * (rate - 1) * size * size * taken
        }
        sums.sampled = sums.bytes
        sum += sums.bytes
        const weight = sums.flows > 0 ? weightOf(sums, 'bytes', sampling) : (rate - 1) * sampling.packetBytes
        const { low, high } = interval({ estimate: sums.bytes, sampled: sums.sampled, variance: sums.variance }, weight)
        if (low <= truth && truth <= high) inside++
      }
      assert.ok(inside / runs >= 0.93, `${name}, ${packets} packets: inside in ${((100 * inside) / runs).toFixed(1)} %`)
      const error = Math.sqrt((rate * mix.reduce((s, [size], i) => s + size * size * (counts[i] as number), 0)) / runs)
      assert.ok(
        Math.abs(sum / runs - truth) < 4 * error,
        `${name}, ${packets} packets: the mean of the estimates is ${sum / runs}, not ${truth}`,
      )
    }
  }
})
