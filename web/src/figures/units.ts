// Numbers as people read them: SI prefixes of 1000, three significant digits, a unit always beside.

/** A number and its unit, apart, so that the unit may be set smaller. */
export interface Figure {
  readonly value: string
  readonly unit: string
}

const PREFIXES = ['', 'k', 'M', 'G', 'T', 'P', 'E'] as const

/** `digits` significant digits, but never an exponent and never less than the whole part. */
export function significant(n: number, digits = 3): string {
  if (n === 0 || !Number.isFinite(n)) return Number.isFinite(n) ? '0' : '–'
  const whole = Math.max(1, Math.floor(Math.log10(Math.abs(n))) + 1)
  return n.toFixed(Math.max(0, Math.min(digits - whole, digits - 1)))
}

/** Scales by 1000 into a prefix. The rounded value decides, so that 999.96 k becomes 1.00 M. */
export function scaled(n: number, digits = 3): { value: string; prefix: string } {
  if (!Number.isFinite(n)) return { value: '–', prefix: '' }
  let step = 0
  let rest = Math.abs(n)
  while (step < PREFIXES.length - 1 && Number(rest.toFixed(Math.max(0, digits - 3))) >= 1000) {
    rest /= 1000
    step++
  }
  const sign = n < 0 ? '−' : ''
  const text = step === 0 && Number.isInteger(rest) ? String(rest) : significant(rest, digits)
  return { value: sign + text, prefix: PREFIXES[step] ?? '' }
}

/** What is measured; `share`: bits a second as a part of the speed of the interface. */
export type MetricName = 'bytes' | 'packets' | 'flows' | 'share'

/** What a metric is counted in, a second. */
export const RATE_UNIT: Readonly<Record<MetricName, string>> = {
  bytes: 'bit/s',
  packets: 'packets/s',
  flows: 'flows/s',
  share: '% of the link',
}
const RATE_SHORT: Readonly<Record<MetricName, string>> = { bytes: 'bit/s', packets: 'p/s', flows: 'f/s', share: '%' }

/** A rate as a figure: bits a second for bytes, `1.23 Gbit/s`; packets or flows a second otherwise. */
export function rateFigure(metric: MetricName, perSecond: number, digits = 3): Figure {
  if (metric === 'share') return { value: significant(perSecond * 100, digits), unit: '%' }
  const { value, prefix } = scaled(perSecond, digits)
  return { value, unit: `${prefix}${metric === 'bytes' ? RATE_SHORT.bytes : ` ${RATE_SHORT[metric]}`}`.trim() }
}

export function rateText(metric: MetricName, perSecond: number | null | undefined, digits = 3): string {
  if (perSecond === null || perSecond === undefined) return '–'
  const figure = rateFigure(metric, perSecond, digits)
  return `${figure.value} ${figure.unit}`
}

/** A total: bytes in GB, packets and flows in thousands. */
export function totalText(metric: MetricName, n: number): string {
  const { value, prefix } = scaled(n)
  return metric === 'bytes' || metric === 'share'
    ? `${value} ${prefix}B`
    : `${value}${prefix === '' ? '' : ` ${prefix}`}`
}

/** Bytes in binary-free SI, as disks are sold and networks count. */
export function bytesText(n: number): string {
  return totalText('bytes', n)
}

/** A count with thousands set apart up to a million, with a prefix beyond. */
export function countText(n: number): string {
  if (!Number.isFinite(n)) return '–'
  if (Math.abs(n) < 1e6) return Math.round(n).toLocaleString('en-GB')
  const { value, prefix } = scaled(n)
  return `${value} ${prefix}`
}

/** An axis label: `5 G`, without a unit; `40 %` of a share. */
export function axisText(n: number, metric: MetricName = 'bytes'): string {
  if (metric === 'share') return `${Number((n * 100).toPrecision(3))} %`
  const { value, prefix } = scaled(n)
  return `${value.includes('.') ? value.replace(/\.?0+$/, '') : value}${prefix === '' ? '' : ` ${prefix}`}`
}

/** A share of one as per cent: `26.6 %`, `41 %`, `< 0.1 %`. */
export function shareText(share: number, digits = 1): string {
  if (!Number.isFinite(share)) return '–'
  const percent = share * 100
  const least = 10 ** -digits
  if (percent > 0 && percent < least) return `< ${least} %`
  return `${percent.toFixed(digits)} %`
}

/** A change as per cent with its sign: `+8.5 %`, `−3.3 %`, `×12` beyond tenfold, `×14,292`. */
export function changeText(change: number): string {
  if (!Number.isFinite(change)) return '–'
  if (change >= 9) return `×${change >= 999 ? countText(change + 1) : significant(change + 1, 2)}`
  const percent = Math.abs(change * 100)
  const text = percent < 0.05 ? '0.0' : percent.toFixed(percent >= 100 ? 0 : 1)
  return `${text === '0.0' ? '±' : change < 0 ? '−' : '+'}${text} %`
}

/** Half of the 95 % interval as a share of the value, or null where nothing was sampled. */
export function relativeError(value: number, low: number, high: number): number | null {
  if (value <= 0 || high <= low) return null
  return (high - low) / 2 / value
}

/** `± 0.4 %`, `exact` where every packet was seen. */
export function errorText(value: number, low: number, high: number): string {
  const error = relativeError(value, low, high)
  if (error === null) return value > 0 ? 'exact' : '–'
  const percent = error * 100
  if (percent < 0.01) return '± < 0.01 %'
  if (percent > 100) return '± > 100 %'
  return `± ${percent >= 10 ? percent.toFixed(0) : percent < 0.1 ? percent.toFixed(2) : percent.toFixed(1)} %`
}

/** Rates as `1 in 400`, `1 in 256–1000`, `every packet`; '' where nothing was seen that had a rate. */
export function samplingText(rates: readonly number[]): string {
  const known = [...new Set(rates)].filter((rate) => rate >= 1).sort((a, b) => a - b)
  const first = known[0]
  const last = known.at(-1)
  if (first === undefined || last === undefined) return ''
  if (last === 1) return 'every packet'
  if (first === last) return `1 in ${countText(first)}`
  return first === 1 ? `up to 1 in ${countText(last)}` : `1 in ${countText(first)}–${countText(last)}`
}
