// What tshark makes of NetFlow and IPFIX datagrams: each record with where its fields are and what they hold.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pcapHeader, pcapPacket, udpPacket } from '../../src/capture/pcap-writer.ts'

const RAW_IP = 101

export interface OracleField {
  readonly name: string
  /** Offset into the datagram's payload. */
  readonly at: number
  readonly length: number
  readonly show: string
  readonly hex: string
}

export interface OracleRecord {
  readonly at: number
  readonly length: number
  readonly fields: readonly OracleField[]
}

export interface OracleDatagram {
  /** What the header tells, by name. */
  readonly header: ReadonlyMap<string, string>
  readonly records: readonly OracleRecord[]
  /** Sets that it could not read for want of a template. */
  readonly withoutTemplate: number
  readonly malformed: boolean
}

export interface Sent {
  readonly from: readonly [number, number, number, number]
  readonly port: number
  readonly payload: Uint8Array
}

/** Has tshark dissect payloads, in this order. */
export function dissectPayloads(sent: readonly Sent[]): OracleDatagram[] {
  const folder = mkdtempSync(join(tmpdir(), 'cflow-'))
  try {
    const file = join(folder, 'payloads.pcap')
    const packets = sent.map(({ from, port, payload }, n) =>
      pcapPacket(1_700_000_000 + n, 0, udpPacket({ from, to: [192, 0, 2, 2], fromPort: port, toPort: 2055 }, payload)),
    )
    writeFileSync(file, Buffer.concat([pcapHeader(RAW_IP), ...packets]))
    return dissect(file, ['udp.port==2055'])
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Has tshark dissect a capture, taking these ports (`udp.port==2055`, `tcp.port==4739`) for NetFlow; only packets that hold some. */
export function dissect(file: string, ports: readonly string[]): OracleDatagram[] {
  const args = ['-r', file, '-n', '-T', 'pdml', ...ports.flatMap((port) => ['-d', `${port},cflow`])]
  const pdml = execFileSync('tshark', args, {
    encoding: 'utf8',
    maxBuffer: 1 << 30,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  return parse(pdml)
}

const RECORD = /^(?:Flow \d+(?: \(.*\))?|pdu \d+\/\d+)$/

// PDML has one element a line; only the nesting of fields has to be followed.
function parse(pdml: string): OracleDatagram[] {
  const datagrams: OracleDatagram[] = []
  let records: { at: number; length: number; fields: OracleField[] }[] | undefined
  let header = new Map<string, string>()
  let base = 0
  let depth = 0
  let recordDepth = -1
  let withoutTemplate = 0
  let malformed = false
  for (const line of pdml.split('\n')) {
    const text = line.trimStart()
    if (text.startsWith('<proto name="cflow"')) {
      // A segment of a TCP connection may hold several messages.
      if (records) datagrams.push({ header, records, withoutTemplate, malformed })
      records = []
      header = new Map()
      base = Number(attribute(text, 'pos'))
      depth = 0
      recordDepth = -1
      withoutTemplate = 0
      malformed = false
    } else if (text.startsWith('<proto name="_ws.malformed"')) malformed = true
    else if (text === '</packet>') {
      if (records) datagrams.push({ header, records, withoutTemplate, malformed })
      records = undefined
    } else if (records && text.startsWith('<field')) {
      const show = attribute(text, 'show')
      const at = Number(attribute(text, 'pos')) - base
      const length = Number(attribute(text, 'size'))
      const name = attribute(text, 'name')
      if (name === '' && recordDepth < 0 && RECORD.test(show)) {
        records.push({ at, length, fields: [] })
        recordDepth = depth
      } else if (name === '' && show.endsWith('no template found')) withoutTemplate++
      else if (recordDepth >= 0 && name !== '')
        records.at(-1)?.fields.push({ name, at, length, show, hex: attribute(text, 'value').toLowerCase() })
      else if (recordDepth < 0 && records.length === 0 && name !== '' && !header.has(name)) header.set(name, show)
      if (!text.endsWith('/>')) depth++
    } else if (records && text === '</field>') {
      depth--
      if (depth === recordDepth) recordDepth = -1
    }
  }
  return datagrams
}

function attribute(line: string, name: string): string {
  const start = line.indexOf(` ${name}="`)
  if (start < 0) return ''
  const from = start + name.length + 3
  return plain(line.slice(from, line.indexOf('"', from)))
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

const plain = (text: string): string =>
  text.includes('&') ? text.replaceAll(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole) : text
