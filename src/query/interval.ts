// The 95 % interval that sampling leaves. A sampled total is a weighted Poisson sum Σ wᵢ, one weight a sampled packet
// (its bytes times the rate). With few samples a normal interval misses the truth far too often; the gamma interval of
// Fay and Feuer (Statistics in Medicine 16, 1997, 791–801) holds, since it is exact when all weights are equal.

/** What a cell holds of a metric. */
export interface Sampled {
  /** Estimate of the whole. */
  readonly estimate: number
  /** The part of the estimate that stems from sampled rows (rate above 1). */
  readonly sampled: number
  /** Horvitz–Thompson variance of that part. */
  readonly variance: number
}

export interface Interval {
  readonly low: number
  readonly high: number
}

const ALPHA = 0.05

/**
 * The 95 % interval of a cell.
 * @param w weight: what one packet that was missed might add. With 0 (nothing is sampled) the estimate is exact.
 */
export function interval(cell: Sampled, w: number): Interval {
  const { estimate, sampled: y, variance: v } = cell
  if (w <= 0) return { low: estimate, high: estimate }
  const exact = Math.max(0, estimate - y)
  const low = v > 0 && y > 0 ? (v / (2 * y)) * chiSquareQuantile(ALPHA / 2, (2 * y * y) / v) : 0
  const yHigh = y + w
  const vHigh = v + w * w
  const high = (vHigh / (2 * yHigh)) * chiSquareQuantile(1 - ALPHA / 2, (2 * yHigh * yHigh) / vHigh)
  return { low: exact + Math.min(low, y), high: exact + Math.max(high, y) }
}

/** The value below which a chi-square variable of `df` (any positive number) degrees of freedom stays with probability p. */
export function chiSquareQuantile(p: number, df: number): number {
  return 2 * gammaQuantile(p, df / 2)
}

/** Quantile of the gamma distribution with this shape and scale 1: Wilson–Hilferty, then Halley's steps. */
function gammaQuantile(p: number, shape: number): number {
  const z = normalQuantile(p)
  const c = 1 / (9 * shape)
  const cube = 1 - c + z * Math.sqrt(c)
  // Beyond this the cube is right to ten digits, and the incomplete gamma function would cost more than it adds.
  if (shape > 1e5) return shape * cube ** 3
  const lnGamma = logGamma(shape)
  let x = cube > 0.2 ? shape * cube ** 3 : Math.exp((Math.log(p) + logGamma(shape + 1)) / shape)
  for (let step = 0; step < 30; step++) {
    if (x <= 0) return 0
    const error = lowerGamma(shape, x, lnGamma) - p
    const density = Math.exp((shape - 1) * Math.log(x) - x - lnGamma)
    if (density === 0) return x
    const newton = error / density
    const curvature = Math.min(1, newton * ((shape - 1) / x - 1))
    const move = newton / (1 - 0.5 * curvature)
    x = x - move > 0 ? x - move : x / 2
    if (Math.abs(move) < 1e-12 * x) break
  }
  return x
}

/** Regularized lower incomplete gamma function P(a, x): series below a + 1, continued fraction above (DLMF 8.7, 8.9). */
function lowerGamma(a: number, x: number, lnGamma: number): number {
  const front = Math.exp(a * Math.log(x) - x - lnGamma)
  if (x < a + 1) {
    let term = 1 / a
    let sum = term
    for (let n = 1; n < 10_000 && term > sum * 1e-16; n++) {
      term *= x / (a + n)
      sum += term
    }
    return front * sum
  }
  const tiny = 1e-300
  let b = x + 1 - a
  let c = 1 / tiny
  let d = 1 / b
  let fraction = d
  for (let n = 1; n < 10_000; n++) {
    const an = -n * (n - a)
    b += 2
    d = an * d + b
    if (Math.abs(d) < tiny) d = tiny
    c = b + an / c
    if (Math.abs(c) < tiny) c = tiny
    d = 1 / d
    const change = d * c
    fraction *= change
    if (Math.abs(change - 1) < 1e-15) break
  }
  return 1 - front * fraction
}

const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
  -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
]

/** ln Γ(x) for x > 0 (Lanczos, g = 7). */
function logGamma(x: number): number {
  if (x < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * x)) - logGamma(1 - x)
  const z = x - 1
  let sum = 0.99999999999980993
  for (const [i, coefficient] of LANCZOS.entries()) sum += coefficient / (z + i + 1)
  const t = z + LANCZOS.length - 0.5
  return 0.5 * Math.log(2 * Math.PI) + (z + 0.5) * Math.log(t) - t + Math.log(sum)
}

/** Quantile of the normal distribution (Acklam's rational approximation, relative error below 1.2e-9). */
function normalQuantile(p: number): number {
  const a = [
    -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716, 2.506628277459239,
  ] as const
  const b = [-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572] as const
  const c = [
    -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
    2.938163982698783,
  ] as const
  const d = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416] as const
  const tail = Math.min(p, 1 - p)
  if (tail < 0.02425) {
    const q = Math.sqrt(-2 * Math.log(tail))
    const value =
      (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
      ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1)
    return p < 0.5 ? value : -value
  }
  const q = p - 0.5
  const r = q * q
  return (
    ((((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q) /
    (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1)
  )
}
