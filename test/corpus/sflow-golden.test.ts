// sFlow as tcpdump prints it: what it says of each datagram, sample and record, in order, is what we read.

import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { basename, join } from 'node:path'
import { createLeftOut, readPayloads } from '../../src/cli/payloads.ts'
import { createSflowReader, type SflowDecoded } from '../../src/collect/sflow-reader.ts'
import { goldensOf } from './goldens.ts'
import { CAPTURES } from './pdml.ts'

type Sample = Extract<SflowDecoded, { kind: 'flow_sample' | 'counter_sample' }>

/** What tcpdump calls the structures whose values it prints; the others it names alone. */
const TYPES: Readonly<Record<string, string>> = {
  'Generic counter': 'if_counters',
  'Ethernet counter': 'ethernet_counters',
  'Raw packet': 'sampled_header',
  'Extended Switch data': 'extended_switch',
  'Extended Router data': 'extended_router',
  'Extended Gateway data': 'extended_gateway',
}
/** Structures that it does not know, by their number. */
const UNKNOWN: Readonly<Record<number, string>> = {
  2000: 'host_descr',
  2001: 'host_adapters',
  2003: 'host_cpu',
  2004: 'host_memory',
  2005: 'host_disk_io',
  2006: 'host_net_io',
}

interface Told {
  /** The datagram's header, as numbers by name. */
  readonly agent: string
  readonly subAgent: number
  readonly samples: { head: string; records: { name: string; format: number; values: number[] }[] }[]
}

const numbers = (text: string): number[] => [...text.matchAll(/-?\d+/g)].map(([digits]) => Number(digits))

/** Of another version: to both no datagram that they read. */
const NOT_SUPPORTED: Told = { agent: '', subAgent: 0, samples: [] }

/** The datagrams of a text. */
function read(text: string): Told[] {
  const told: Told[] = []
  for (const line of text.split('\n')) {
    const [, agent, subAgent] = /sFlowv5, IPv[46] agent (\S+), agent-id (\d+)/.exec(line) ?? []
    if (/sFlow version \d+ packet not supported/.test(line)) told.push(NOT_SUPPORTED)
    if (agent !== undefined) told.push({ agent, subAgent: Number(subAgent), samples: [] })
    const samples = told.at(-1)?.samples
    const [, name, format] = /enterprise 0,? ([^(]+) \((\d+)\) length/.exec(line) ?? []
    if (/^\t[a-z ]*sample \(\d\)/.test(line)) samples?.push({ head: line, records: [] })
    else if (name !== undefined) samples?.at(-1)?.records.push({ name, format: Number(format), values: [] })
    else if (/^\t {6}/.test(line))
      samples
        ?.at(-1)
        ?.records.at(-1)
        ?.values.push(...numbers(line.replaceAll(/\([^)]*-[^)]*\)/g, '')))
  }
  return told
}

const named = (text: string, name: string): number | undefined => {
  const found = new RegExp(`${name} (\\d+)`).exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

/** The values of a record in the order of its structure; of a header what tcpdump prints in place of its bytes. */
function valuesOf(record: Readonly<Record<string, unknown>>): number[] {
  const { type, header, ...fields } = record
  const values = Object.values(fields).filter((value): value is number => typeof value === 'number')
  return type === 'sampled_header' ? [...values, String(header).length / 2] : values
}

describe('sFlow read as tcpdump prints it', () => {
  const goldens = goldensOf('the-tcpdump-group/tcpdump').filter(({ golden }) => golden.startsWith('sflow/'))
  for (const { golden, files, text } of goldens) {
    test(basename(golden), async (t) => {
      const counts: Record<string, number> = {}
      const hold = (what: string, ours: unknown, theirs: unknown, where: string): void => {
        if (theirs === undefined) return
        counts[what] = (counts[what] ?? 0) + 1
        assert.deepEqual(ours, theirs, `${what}, ${where}`)
      }
      const reader = createSflowReader()
      const ours: SflowDecoded[][] = []
      for await (const { bytes } of readPayloads(join(CAPTURES, files[0] as string), false, createLeftOut()))
        ours.push(reader.read(Uint8Array.from(bytes), '192.0.2.1', 0))
      const theirs = read(text)
      if (theirs.length === 0) {
        assert.match(text, /\(invalid\)/)
        assert.deepEqual(
          ours.flat().map(({ kind }) => kind),
          ['problem'],
        )
        t.diagnostic('one datagram, invalid to both')
        return
      }
      assert.equal(ours.length, theirs.length)
      for (const [n, told] of theirs.entries()) {
        const decoded = ours[n] as SflowDecoded[]
        if (told === NOT_SUPPORTED) {
          hold('of other versions', decoded.map(({ kind }) => kind).join(), 'problem', `datagram ${n + 1}`)
          continue
        }
        const samples = decoded.filter(
          (one): one is Sample => one.kind === 'flow_sample' || one.kind === 'counter_sample',
        )
        const where = `datagram ${n + 1}`
        const [first] = samples
        hold('agent', first?.agent, told.agent, where)
        hold('sub-agent', first?.subAgent, told.subAgent, where)
        for (const [k, { head, records }] of told.samples.entries()) {
          const sample = samples[k]
          const place = `${where}, sample ${k + 1}`
          assert.ok(sample, place)
          hold('kind', sample.kind === 'counter_sample', /counter sample/.test(head), place)
          hold('sequence', sample.sequence, named(head, 'seqnum'), place)
          hold('source', sample.source, `${named(head, 'type')}:${named(head, 'idx')}`, place)
          if (sample.kind === 'flow_sample') {
            hold('rate', sample.samplingRate, named(head, 'rate'), place)
            hold('pool', sample.samplePool, named(head, 'pool'), place)
            hold('drops', sample.drops, named(head, 'drops'), place)
            hold('input', sample.input, named(head, 'input'), place)
            hold('output', sample.output, named(head, 'output'), place)
          }
          hold('numbers of records', sample.records.length, named(head, 'records'), place)
          for (const [i, { name, format, values }] of records.entries()) {
            const record: Readonly<Record<string, unknown>> | undefined = sample.records[i]
            assert.ok(record, place)
            hold('type', record['type'], name === 'Unknown' ? UNKNOWN[format] : TYPES[name], `${place}, ${name}`)
            if (values.length === 0) continue
            hold('values of a record', valuesOf(record), values, `${place}, ${name}`)
            counts['values'] = (counts['values'] ?? 0) + values.length
          }
        }
      }
      t.diagnostic(
        Object.entries(counts)
          .map(([what, n]) => `${n} × ${what}`)
          .join(', '),
      )
    })
  }
})
