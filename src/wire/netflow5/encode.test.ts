import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Netflow5Encoder, type Netflow5Record } from './encode.ts'

const RECORD: Netflow5Record = {
  srcAddr: Uint8Array.of(10, 0, 0, 1),
  dstAddr: Uint8Array.of(10, 0, 0, 2),
  nextHop: Uint8Array.of(10, 0, 0, 254),
  input: 1,
  output: 2,
  packets: 3,
  octets: 4_000_000_000,
  first: 1000,
  last: 2000,
  srcPort: 1234,
  dstPort: 443,
  tcpFlags: 0x1b,
  protocol: 6,
  tos: 8,
  srcAs: 65_001,
  dstAs: 65_002,
  srcMask: 24,
  dstMask: 16,
}

function encoder(samplingInterval: number): { encoder: Netflow5Encoder; datagrams: Buffer[] } {
  const datagrams: Buffer[] = []
  const made = new Netflow5Encoder({ engineType: 1, engineId: 7, samplingInterval }, (datagram) =>
    datagrams.push(Buffer.from(datagram)),
  )
  made.uptime = 3000
  made.now = 1_700_000_000_250
  return { encoder: made, datagrams }
}

test('a datagram is, byte by byte, what the tables say', () => {
  const { encoder: made, datagrams } = encoder(400)
  made.sequence = 5
  made.add(RECORD)
  made.flush()
  assert.equal(
    datagrams[0]?.toString('hex'),
    '00050001' +
      '00000bb8' +
      '6553f100' +
      '0ee6b280' +
      '00000005' +
      '0107' +
      '8190' +
      '0a000001' +
      '0a000002' +
      '0a0000fe' +
      '00010002' +
      '00000003' +
      'ee6b2800' +
      '000003e8' +
      '000007d0' +
      '04d201bb' +
      '001b0608' +
      'fde9fdea' +
      '18100000',
  )
})

test('thirty records make a datagram, and the sequence counts flows', () => {
  const { encoder: made, datagrams } = encoder(0)
  for (let i = 0; i < 65; i++) made.add(RECORD)
  made.flush()
  made.flush()
  assert.deepEqual(
    datagrams.map((d) => [d.length, d.readUInt16BE(2), d.readUInt32BE(16), d.readUInt16BE(22)]),
    [
      [1464, 30, 0, 0],
      [1464, 30, 30, 0],
      [24 + 5 * 48, 5, 60, 0],
    ],
  )
})

test('what was metered under a sampling interval is sent under it', () => {
  const { encoder: made, datagrams } = encoder(100)
  made.add(RECORD)
  made.setSampling(200)
  made.add(RECORD)
  made.flush()
  assert.deepEqual(
    datagrams.map((d) => d.readUInt16BE(22) & 0x3fff),
    [100, 200],
  )
})
