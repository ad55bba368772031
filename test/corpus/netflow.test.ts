// Every NetFlow and IPFIX capture of the corpus, held against tshark: the same records, each field in the same place with the same
// value, and the row with those that have a column. What can't be compared so, and what differs, is listed with its reason.

import { describe, test, type TestContext } from 'node:test'
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { ipText } from '../../src/base/address.ts'
import { dissect, dissectPayloads, type OracleDatagram, type OracleRecord } from './cflow-oracle.ts'
import { decodeAll, type OwnDatagram, type OwnRecord } from './netflow-decoded.ts'
import { UNKNOWN_TO_TSHARK } from './netflow-elements.ts'
import { captured, captureFiles, payloadFiles } from './netflow-inputs.ts'
import { KNOWN } from './netflow-known.ts'
import { compareRow } from './netflow-rows.ts'
import { compareField } from './netflow-values.ts'
import { CAPTURES } from './pdml.ts'

/** How many there were of each thing that was compared, or left out for a reason that is listed. */
type Count =
  | 'datagrams'
  | 'records'
  | 'fields by value'
  | 'fields by bytes'
  | 'lists'
  | 'fields without bytes'
  | 'values in rows'
  | 'differ for a known reason'

class Tally {
  readonly counts = new Map<Count, number>()
  readonly #differences: string[] = []
  readonly reasons = new Map<string, number>()

  add(what: Count, n = 1): void {
    if (n > 0) this.counts.set(what, (this.counts.get(what) ?? 0) + n)
  }

  differ(what: string): void {
    const known = KNOWN.find(([difference]) => difference.test(what))
    if (known === undefined) this.#differences.push(what)
    else {
      this.add('differ for a known reason')
      this.reasons.set(known[1], (this.reasons.get(known[1]) ?? 0) + 1)
      used.add(known[0])
    }
  }

  /** Prints what was compared; answers the differences that nobody has understood yet. */
  report(t: TestContext): string[] {
    t.diagnostic([...this.counts].map(([what, n]) => `${n} ${what}`).join(', '))
    for (const [reason, n] of this.reasons) t.diagnostic(`  ${n} differ: ${reason}`)
    for (const [what, n] of this.counts) whole.set(what, (whole.get(what) ?? 0) + n)
    return this.#differences
  }
}

const whole = new Map<string, number>()
const used = new Set<RegExp>()
const byBytes = new Set<string>()

function compare(tally: Tally, name: string, payload: Uint8Array, ours: OwnDatagram, theirs: OracleDatagram): void {
  tally.add('datagrams')
  if (ours.waited > 0) tally.differ(`${name}: ${ours.waited} records of earlier datagrams had waited for a template`)
  const starts = new Map(ours.records.map((record) => [record.at, record]))
  const malformed = theirs.malformed ? ' (malformed to it)' : ''
  if (ours.records.length !== theirs.records.length)
    tally.differ(
      `${name}: ${ours.records.length} records, tshark ${theirs.records.length}${malformed} [${ours.problems.join(' ')}]`,
    )
  for (const record of theirs.records) {
    const own = starts.get(record.at)
    if (own !== undefined) compareRecord(tally, `${name}@${own.at}`, payload, own, record, theirs.header)
    else if (ours.records.length === theirs.records.length)
      tally.differ(`no record where tshark has one (${name}@${record.at})`)
  }
}

function compareRecord(
  tally: Tally,
  where: string,
  payload: Uint8Array,
  own: OwnRecord,
  theirs: OracleRecord,
  header: ReadonlyMap<string, string>,
): void {
  tally.add('records')
  const before = new Map<string, number>()
  for (const field of own.fields) {
    const nth = before.get(field.name) ?? 0
    before.set(field.name, nth + 1)
    const outcome = compareField(field, nth, payload, theirs.fields)
    if (outcome.how === 'differs') tally.differ(`field ${field.name} (${where}): ${outcome.why}`)
    else tally.add(COUNTED[outcome.how])
    if (outcome.how === 'bytes' || outcome.how === 'list') byBytes.add(field.name)
  }
  const { compared, wrong } = compareRow(own, theirs.fields, header)
  tally.add('values in rows', compared)
  for (const one of wrong) tally.differ(`${one} (${where})`)
}

const COUNTED = {
  value: 'fields by value',
  bytes: 'fields by bytes',
  list: 'lists',
  empty: 'fields without bytes',
} as const

describe('NetFlow and IPFIX captures', () => {
  test('payload files decode to what tshark sees', (t) => {
    const inputs = payloadFiles()
    const ours = decodeAll(
      inputs.map(({ from, port, payload }) => ({
        from: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, ...from),
        port,
        payload,
      })),
    )
    const theirs = dissectPayloads(inputs)
    assert.equal(theirs.length, inputs.length, 'as many datagrams')
    const tally = new Tally()
    for (const [i, { name, payload }] of inputs.entries())
      compare(tally, basename(name), payload, ours[i] as OwnDatagram, theirs[i] as OracleDatagram)
    assert.deepEqual(tally.report(t), [])
  })

  for (const name of captureFiles()) {
    test(`${basename(name)} decodes to what tshark sees`, async (t) => {
      const { datagrams, ports } = await captured(name)
      assert.ok(datagrams.length > 0)
      const ours = decodeAll(datagrams)
      const theirs = dissect(
        join(CAPTURES, name),
        [...ports].map((port) => `udp.port==${port}`),
      )
      assert.equal(theirs.length, datagrams.length, 'as many datagrams')
      const tally = new Tally()
      for (const [i, { from, payload }] of datagrams.entries())
        compare(
          tally,
          `${basename(name)}, ${i + 1} of ${ipText(from)}`,
          payload,
          ours[i] as OwnDatagram,
          theirs[i] as OracleDatagram,
        )
      assert.deepEqual(tally.report(t), [])
    })
  }

  test('no difference is listed that is none', (t) => {
    t.diagnostic(`altogether ${[...whole].map(([what, n]) => `${n} ${what}`).join(', ')}`)
    assert.deepEqual(KNOWN.filter(([difference]) => !used.has(difference)).map(String), [])
    assert.deepEqual(
      [...UNKNOWN_TO_TSHARK].filter((name) => !byBytes.has(name)),
      [],
    )
  })
})
