import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { captureKind } from '../../src/capture/pcap-file.ts'
import { dissect } from '../corpus/cflow-oracle.ts'
import { FLOWS, RECORDING } from '../fixtures/softflowd-tcp.ts'
import { ipLength } from './frames.ts'
import { run } from './processes.ts'
import { temporaryFolder } from './server.ts'

// A capture of softflowd's IPFIX over TCP: `decode` prints the flows that were metered, and those that tshark reads.

const folder = temporaryFolder()
after(() => folder.remove())

interface Line {
  readonly kind: string
  readonly code?: string
  readonly bytes?: number
  readonly flow?: Readonly<Record<string, number | string>>
}

function decode(file: string): Line[] {
  const text = run(process.execPath, [join(import.meta.dirname, '../../src/cli/main.ts'), 'decode', file])
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Line)
}

const sumOf = (lines: readonly { bytes: number; packets: number; src: string }[]): string[] =>
  lines.map(({ src, bytes, packets }) => `${src} ${bytes} ${packets}`).toSorted()

const flowsOf = (lines: readonly Line[]): string[] =>
  sumOf(
    lines.flatMap(({ flow }) =>
      flow ? [{ src: String(flow['src_addr']), bytes: Number(flow['bytes']), packets: Number(flow['packets']) }] : [],
    ),
  )

const METERED = sumOf(
  FLOWS.map((flow) => ({ src: flow.src, bytes: flow.packets * ipLength(flow), packets: flow.packets })),
)

/** The recording with its packets put together anew: their headers and bytes. */
function rewritten(name: string, change: (packets: Uint8Array[]) => Uint8Array[]): string {
  const file = readFileSync(RECORDING)
  assert.equal(captureKind(file), 'pcap')
  const packets: Uint8Array[] = []
  for (let at = 24; at < file.length;) {
    const end = at + 16 + file.readUInt32LE(at + 8)
    packets.push(file.subarray(at, end))
    at = end
  }
  const path = join(folder.path, name)
  writeFileSync(path, Buffer.concat([file.subarray(0, 24), ...change(packets)]))
  return path
}

/** Packets with 500 bytes of the connection and more. */
const full = (packets: readonly Uint8Array[]): number[] =>
  packets.flatMap((packet, i) => (packet.length > 500 ? [i] : []))

describe("softflowd's IPFIX over TCP in a capture", () => {
  test('is decoded to the flows that were metered, as tshark reads them', () => {
    const lines = decode(RECORDING)
    assert.deepEqual(flowsOf(lines), METERED)
    assert.deepEqual(new Set(lines.map(({ kind }) => kind)), new Set(['flow', 'options']))
    const theirs = dissect(RECORDING, ['tcp.port==4740']).flatMap(({ records }) =>
      records.map(({ fields }) => new Map(fields.map(({ name, show }) => [name, show]))),
    )
    const flows = theirs.filter((fields) => fields.has('cflow.octets'))
    assert.equal(flows.length, FLOWS.length)
    assert.deepEqual(
      sumOf(
        flows.map((fields) => ({
          src: (fields.get('cflow.srcaddr') ?? fields.get('cflow.srcaddrv6')) as string,
          bytes: Number(fields.get('cflow.octets')),
          packets: Number(fields.get('cflow.packets')),
        })),
      ),
      METERED,
    )
  })

  test('is the same with segments out of order and sent again, which is said', () => {
    const file = rewritten('shuffled.pcap', (packets) => {
      const places = full(packets)
      const [a = 0, b = 0, c = 0] = [places[1], places[4], places[6]]
      const moved = [...packets]
      moved[a] = packets[b] as Uint8Array
      moved[b] = packets[a] as Uint8Array
      moved.splice(c + 1, 0, packets[c] as Uint8Array)
      return moved
    })
    const lines = decode(file)
    assert.deepEqual(flowsOf(lines), METERED)
    assert.deepEqual(
      lines.filter(({ kind }) => kind === 'problem').map(({ code, bytes }) => [code, bytes]),
      [['stream_repeated', 548]],
    )
  })

  test('goes on behind a segment that is missing, which is said', () => {
    const file = rewritten('gap.pcap', (packets) => {
      const place = full(packets)[7] as number
      return packets.filter((_, i) => i !== place)
    })
    const lines = decode(file)
    const gaps = lines.filter(({ kind, code }) => kind === 'problem' && code === 'stream_gap')
    assert.deepEqual(
      gaps.map(({ bytes }) => bytes),
      [548],
    )
    const seen = flowsOf(lines)
    const metered = new Set(METERED)
    assert.ok(seen.every((flow) => metered.has(flow)))
    assert.ok(seen.length > FLOWS.length - 40 && seen.length < FLOWS.length, `${seen.length} flows`)
  })
})
