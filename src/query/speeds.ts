import { UserError } from '../base/errors.ts'
import type { Prepared } from './question.ts'
import type { KeyValue } from './dimensions.ts'
import type { Row } from './measure.ts'
import type { Run } from './run.ts'

// How fast the interfaces of an answer are, from the counters that their exporters send (sFlow if_counters).

/** Bits a second of the interface that a key names; null if nobody has told. */
export type SpeedOf = (key: Record<string, KeyValue>) => number | null

/** @throws UserError if the question does not name interfaces, or asks for no bytes */
export function checkShare({ unit, metric, dimensions }: Prepared): void {
  if (unit !== 'share') return
  if (metric !== 'bytes') throw new UserError('a share of the speed is of bytes', { hint: 'leave the metric at bytes' })
  if (!interfaceOf(dimensions.map((d) => d.name)))
    throw new UserError('a share of the speed needs the interfaces', {
      hint: 'by must have exporter, and either in_if or out_if',
    })
}

function interfaceOf(names: readonly string[]): 'in_if' | 'out_if' | undefined {
  const sides = (['in_if', 'out_if'] as const).filter((name) => names.includes(name))
  return names.includes('exporter') && sides.length === 1 ? sides[0] : undefined
}

/** Speeds of the interfaces of these keys as they were last told before the end of the range, or first after it. */
export async function speedsOf(
  prepared: Prepared,
  keys: readonly Record<string, KeyValue>[],
  run: Run,
): Promise<SpeedOf> {
  const side = interfaceOf(prepared.dimensions.map((d) => d.name))
  // What is left over has no key.
  const named = keys.filter((key) => key['exporter'] !== undefined)
  if (!side || named.length === 0) return () => null
  const { params } = prepared
  const sources = params.add('Array(IPv6)', unique(named.map((key) => mapped(String(key['exporter'])))))
  const entities = params.add('Array(String)', unique(named.map((key) => `if:${key[side] as number}`)))
  const until = `time < fromUnixTimestamp64Milli(${prepared.to}, 'UTC')`
  const answer = await run.query(
    `SELECT source, entity, if(countIf(${until}) > 0, argMaxIf(value, time, ${until}), argMin(value, time)) FROM metrics WHERE metric = 'if_counters.if_speed' AND has(${sources}, source) AND has(${entities}, entity) AND value > 0 GROUP BY source, entity`,
  )
  const speeds = new Map(
    answer.rows.map(([source, entity, speed]) => [`${mapped(String(source))} ${String(entity)}`, Number(speed)]),
  )
  return (key) => speeds.get(`${mapped(String(key['exporter']))} if:${key[side] as number}`) ?? null
}

/** Rows with the speed of their interface, and the part of it that their mean over the range is. */
export async function withShares(prepared: Prepared, rows: readonly Row[], run: Run): Promise<Row[]> {
  const speedOf = await speedsOf(
    prepared,
    rows.map((row) => row.key),
    run,
  )
  return rows.map((row) => {
    const speed = speedOf(row.key)
    if (speed === null) return { ...row, speed, share: null }
    const part = 8 / ((prepared.to - prepared.from) / 1000) / speed
    return { ...row, speed, share: { value: row.bytes * part, low: row.low * part, high: row.high * part } }
  })
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)]
}

function mapped(address: string): string {
  return address.includes(':') ? address : `::ffff:${address}`
}
