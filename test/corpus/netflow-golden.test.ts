// Captures whose decoded form NetGauze keeps.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { createReadStream, readFileSync } from 'node:fs'
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

/** What NetGauze writes by name, and the numbers of IANA's registries. */
const WORDS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  protocolIdentifier: { ICMP: 1, IPv4: 4, TCP: 6, UDP: 17, IPv6: 41, IPv6ICMP: 58, VRRP: 112 },
  flowDirection: { ingress: 0, egress: 1, '{"Unassigned":255}': 255 },
  forwardingStatus: { '{"Forwarded":"Unknown"}': 64, '{"Consumed":"Forus"}': 195, '{"Unknown":{"Unassigned":0}}': 0 },
  mplsTopLabelType: { Unknown: 0, BGP: 4, LDP: 5 },
  selectorAlgorithm: { SystematiccountbasedSampling: 1, RandomnoutofNSampling: 3 },
  flowEndReason: { idletimeout: 1, activetimeout: 2 },
}
const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR']

/** A value of NetGauze as ours may be written. */
function asOurs(name: string, value: unknown, mine: FieldValue | undefined): readonly unknown[] {
  const word = WORDS[name]?.[typeof value === 'string' ? value : JSON.stringify(value)]
  if (word !== undefined) return [word]
  if (Array.isArray(value)) {
    const hex = Buffer.from(value as number[]).toString('hex')
    const tail = typeof mine === 'string' ? mine : JSON.stringify(mine ?? '')
    // Of reduced length it fills up to the length of the type.
    return [
      hex,
      hex.replaceAll(/..(?=.)/g, '$&:'),
      ...(hex.endsWith(tail) && /^0*$/.test(hex.slice(0, -tail.length)) ? [mine] : []),
    ]
  }
  if (name === 'tcpControlBits')
    return [TCP_FLAGS.reduce((sum, flag, bit) => sum | ((value as Record<string, boolean>)[flag] ? 1 << bit : 0), 0)]
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value) ? [Date.parse(value)] : [value]
}

/** Elements of makers that it does not know: it has their number and bytes. */
function unwrapped(name: string, value: unknown): readonly [name: string, value: unknown] {
  const { Unknown: unknown } = (value ?? {}) as { Unknown?: { id: number; value: number[] } }
  return name === 'Huawei' && unknown ? [`e2011.${unknown.id}`, unknown.value] : [name, value]
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
        for (const [given, told] of golden.fields) {
          // Padding is no value: `decode` does not print it.
          if (given === 'paddingOctets') continue
          const [name, value] = unwrapped(given, told)
          const mine: FieldValue | undefined = own.fields[name]
          const list = (Array.isArray(mine) ? mine : [mine]) as (FieldValue | undefined)[]
          assert.ok(
            list.some((one) => asOurs(name, value, one).includes(one)),
            `${name}: ${JSON.stringify(value)}, here ${JSON.stringify(mine)}`,
          )
          values++
        }
      }
      assert.equal(ours.length, theirs.length)
      assert.ok(values > 0)
      t.diagnostic(`${ours.length} records, ${values} values equal`)
    })
  }
})
