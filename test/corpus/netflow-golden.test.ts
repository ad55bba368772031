// Captures whose decoded form other projects keep: NetGauze's for whole pcap files, logstash's for sequences of datagrams.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createReadStream, existsSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { ipText } from '../../src/base/address.ts'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { createUdpExtractor } from '../../src/capture/udp-payloads.ts'
import type { FieldValue } from '../../src/wire/ipfix/values.ts'
import { createNetflowReader, type DecodedRecord } from '../../src/collect/netflow-reader.ts'

const CAPTURES = process.env['VNETSCOPE_CAPTURES'] ?? join(import.meta.dirname, '../../../shared/captures')

type DataRecord = Extract<DecodedRecord, { kind: 'flow' | 'options' }>

const isData = (record: DecodedRecord): record is DataRecord => record.kind === 'flow' || record.kind === 'options'

const goldens = (repo: string): string[][] =>
  readFileSync(join(CAPTURES, 'GOLDEN.tsv'), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter(([golden, from]) => from === repo && /^(netflow\d|ipfix)\//.test(golden ?? ''))

async function readPcap(file: string): Promise<DataRecord[]> {
  const extractor = createUdpExtractor()
  const reader = createNetflowReader()
  const records: DataRecord[] = []
  for await (const packet of readCapture(createReadStream(file), () => undefined)) {
    const payload = extractor.packet(packet.linkType, packet.bytes)
    if (typeof payload === 'string') continue
    records.push(...reader.read(payload.bytes, ipText(payload.from), payload.fromPort).filter(isData))
  }
  return records
}

interface GoldenMessage {
  readonly observation_domain_id?: number
  readonly source_id?: number
  readonly sets: readonly {
    readonly Data?: {
      readonly id: number
      readonly records: readonly Record<'scope_fields' | 'fields', readonly Record<string, unknown>[]>[]
    }
  }[]
}

/** NetGauze writes enums by name, times as text and MPLS labels as lists: what is a number or an address there is compared. */
function comparable(value: unknown): value is number | string {
  return typeof value === 'number' || (typeof value === 'string' && /^[\d.]+$|^[0-9a-f:]*:[0-9a-f:]*$/i.test(value))
}

describe('golden files', () => {
  for (const [golden] of goldens('NetGauze/NetGauze')) {
    test(`${basename(golden as string)}: the same records with the same values`, async (t) => {
      const file = join(CAPTURES, golden as string)
      const messages = readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .flatMap((line) => Object.values(JSON.parse(line) as Record<string, GoldenMessage>))
      const theirs = messages.flatMap((message) =>
        message.sets.flatMap((set) =>
          (set.Data?.records ?? []).map((record) => ({
            domain: message.observation_domain_id ?? message.source_id,
            id: set.Data?.id,
            fields: [...record.scope_fields, ...record.fields].flatMap((field) => Object.entries(field)),
          })),
        ),
      )
      const ours = await readPcap(file.replace('.golden.jsonl', ''))
      // Options of a datagram are read before its flows here: within a domain and template the order is the same.
      const key = (domain: unknown, id: unknown): string => `${String(domain)} ${String(id)}`
      const grouped = Map.groupBy(ours, (record) => key(record.observationDomain, record.templateId))
      let values = 0
      for (const golden of theirs) {
        const own = grouped.get(key(golden.domain, golden.id))?.shift()
        assert.ok(own, `a record of template ${golden.id}`)
        for (const [name, value] of golden.fields) {
          const mine: FieldValue | undefined = own.fields[name]
          if (mine === undefined || !comparable(value)) continue
          assert.ok(
            (Array.isArray(mine) ? (mine as unknown[]) : [mine]).includes(value),
            `${name}: ${String(value)}, here ${JSON.stringify(mine)}`,
          )
          values++
        }
      }
      assert.equal(ours.length, theirs.length)
      assert.ok(values > 0)
      t.diagnostic(`${ours.length} records, ${values} values equal`)
    })
  }

  for (const [golden, , , , , files] of goldens('logstash-plugins/logstash-codec-netflow')) {
    const { expected_event_count: expected } = JSON.parse(readFileSync(join(CAPTURES, golden as string), 'utf8')) as {
      expected_event_count: number | null
    }
    const inputs = (files as string)
      .trim()
      .split(' ')
      .map((file) => join(CAPTURES, file))
    if (expected === null || !inputs.every((file) => existsSync(file))) continue
    test(`${basename(golden as string)}: as many records`, () => {
      const reader = createNetflowReader()
      const records = inputs.flatMap((file) =>
        reader.read(new Uint8Array(readFileSync(file)), '192.0.2.1').filter(isData),
      )
      // Logstash throws away data that comes before its template; here it waits for it.
      const waited = (golden as string).endsWith('Netscaler-with-variable-length-fields.golden2.json') ? 3 : 0
      assert.equal(records.length, expected + waited)
    })
  }
})
