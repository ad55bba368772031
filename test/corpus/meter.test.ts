// The flows that the meter makes of each capture of the corpus against nfpcapd's: packets, bytes, TCP flags, first and last time of
// each. What differs stands in meter-differences.json, flow by flow, with its reason.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { before, describe, it } from 'node:test'
import { ipText } from '../../src/base/address.ts'
import { readPacketBlocksOf } from '../../src/capture/pcap-file.ts'
import { FIELD, keyMask } from '../../src/meter/flow-key.ts'
import { createFlowTable } from '../../src/meter/flow-table.ts'
import { createPacketReader } from '../../src/meter/packet-reader.ts'
import { addFlow, nfpcapdFlows, type FlowSum, type FlowSums } from './nfpcapd.ts'
import { CAPTURES } from './pdml.ts'

const DIRECTORY = join(CAPTURES, 'packets')
const FILES = readdirSync(DIRECTORY)
  .filter((name) => /\.(pcap|pcapng)$/.test(name))
  .sort()

/** Why a file may differ. `sameTotals`: between the same addresses there are as many packets and bytes, under another protocol or other ports. */
const REASONS: Readonly<Record<string, { readonly why: string; readonly sameTotals?: true }>> = {
  cut: {
    why: 'nfpcapd passes over packets that end within their headers, or whose inner header is none; the meter counts what the IP header says',
  },
  extensionHeader: {
    why: 'nfpcapd takes IPv6 extension headers, and AH, for what is transported; the meter looks behind them',
    sameTotals: true,
  },
  fragments: {
    why: 'nfpcapd puts IPv4 fragments together, counts the datagram as one packet with one header (and with the padding of a short frame), and drops what stays incomplete; the meter counts the packets on the wire',
  },
  gre: {
    why: 'nfpcapd passes over GRE that carries neither IPv4, IPv6 nor Ethernet as it reads it (ERSPAN, WCCP, 802.11); the meter counts the packets of the tunnel',
  },
  inner: { why: 'nfpcapd looks into tunnels of IP in IP and GRE: so does the meter here' },
  linkType: { why: 'nfpcapd does not read this link type' },
  nflog: { why: 'nfpcapd takes NFLOG for something else' },
  noLength: {
    why: 'the length in the IP header is 0 (segmentation offload, jumbograms), or that of UDP: nfpcapd counts no bytes, or passes over the packet; the meter counts those on the wire',
  },
  nullLoopback: { why: 'nfpcapd does not read every form of the address family before a packet of the BSD loopback' },
  ports: { why: 'nfpcapd reads no ports of SCTP, DCCP and UDP-Lite', sameTotals: true },
  ppp: { why: 'nfpcapd does not look behind PPP in HDLC framing' },
  pptp: { why: 'nfpcapd reads GRE of PPTP as if its call number were ports' },
  snapshotLengths: {
    why: 'libpcap, which nfpcapd reads with, refuses captures of interfaces whose snapshot lengths differ',
  },
  tags: { why: 'nfpcapd does not read 802.1ad, 802.1ah, MACsec, VN-Tag and SNAP' },
  year2038: { why: 'nfdump writes no time beyond 2038' },
}

interface Difference {
  readonly reason: string
  /** The meter looks into tunnels, as nfpcapd does into those of IP in IP and GRE. */
  readonly inner?: true
  readonly ours: readonly string[]
  /** Null where nfpcapd does not read the link type. */
  readonly theirs: readonly string[] | null
}

const DIFFERENCES = JSON.parse(readFileSync(join(import.meta.dirname, 'meter-differences.json'), 'utf8')) as Readonly<
  Record<string, Difference>
>

const NEVER = { active: 0, tcp: 0, tcpFin: 0, tcpRst: 0, udp: 0, icmp: 0, general: 0 }

/** Flows of a capture by the meter's own parts, in this process. */
async function meterFlows(capture: string, tunnels: 'inner' | 'outer'): Promise<FlowSums> {
  const sums: FlowSums = new Map()
  const reader = createPacketReader({ tunnels, fragments: 'apart' })
  const table = createFlowTable(
    { maxFlows: 4096, mask: keyMask({ track: 'full', tos: true }), timeouts: NEVER, seed: 1, biflow: false },
    reader,
    ({ fields, there }) =>
      addFlow(sums, keyOf(fields), {
        packets: there.packets,
        bytes: there.bytes,
        // nfpcapd keeps eight of the twelve
        tcpFlags: there.tcpFlags & 0xff,
        first: Math.floor(there.first),
        last: Math.floor(there.last),
      }),
  )
  const file = await open(capture)
  try {
    for await (const block of readPacketBlocksOf(file, () => undefined))
      for (let i = 0; i < block.count; i++) {
        reader.count = 0
        reader.read(block, i, i + 1)
        table.add()
      }
  } finally {
    await file.close()
  }
  while (table.endSome(4096, 0));
  return sums
}

function keyOf(fields: Int32Array): string {
  const address = (word: number): string => ipText(new Uint8Array(fields.buffer, 4 * word, 16))
  const protocol = (fields[FIELD.protocol] as number) & 0xff
  const ports = fields[FIELD.ports] as number
  const isIcmp = protocol === 1 || protocol === 58
  const source = isIcmp ? 0 : ports >>> 16
  const destination = isIcmp ? `${(ports >>> 8) & 0xff}.${ports & 0xff}` : ports & 0xffff
  return `${protocol} ${address(FIELD.src)} ${source} ${address(FIELD.dst)} ${destination}`
}

const told = (key: string, { packets, bytes, tcpFlags, first, last }: FlowSum): string =>
  `${key}: ${packets} packets, ${bytes} bytes, flags ${tcpFlags}, ${first} to ${last}`
const allTold = (sums: FlowSums): string[] => [...sums].map(([key, flow]) => told(key, flow))

const without = (all: ReadonlySet<string>, those: ReadonlySet<string>): string[] =>
  [...all].filter((one) => !those.has(one)).toSorted()

/** Packets and bytes between two addresses. */
function totals(sums: FlowSums): Record<string, string> {
  const byPair = new Map<string, [packets: number, bytes: number]>()
  for (const [key, { packets, bytes }] of sums) {
    const [, source, , destination] = key.split(' ')
    const pair = `${source} ${destination}`
    const sum = byPair.get(pair) ?? [0, 0]
    byPair.set(pair, [sum[0] + packets, sum[1] + bytes])
  }
  return Object.fromEntries([...byPair].sort().map(([pair, sum]) => [pair, sum.join(' ')]))
}

describe('flows of the captures', () => {
  const theirs = new Map<string, FlowSums | undefined>()

  before(async () => {
    const waiting = [...FILES]
    const work = async (): Promise<void> => {
      for (let file = waiting.shift(); file !== undefined; file = waiting.shift())
        theirs.set(file, await nfpcapdFlows(join(DIRECTORY, file)))
    }
    await Promise.all(Array.from({ length: availableParallelism() + 1 }, work))
  })

  for (const file of FILES)
    it(file, async () => {
      const difference = DIFFERENCES[file]
      const ours = await meterFlows(join(DIRECTORY, file), difference?.inner ? 'inner' : 'outer')
      const reference = theirs.get(file)
      const [here, there] = [new Set(allTold(ours)), new Set(allTold(reference ?? new Map()))]
      assert.deepEqual(
        { ours: without(here, there), theirs: reference ? without(there, here) : null },
        { ours: difference?.ours ?? [], theirs: difference ? difference.theirs : [] },
      )
      if (!difference) return
      const reason = REASONS[difference.reason]
      assert.ok(reason, `there is no reason “${difference.reason}”`)
      if (reason.sameTotals) assert.deepEqual(totals(ours), totals(reference as FlowSums))
    })

  it('differ in no file that is not there, and for no reason that is not needed', () => {
    assert.deepEqual(
      Object.keys(DIFFERENCES).filter((file) => !FILES.includes(file)),
      [],
    )
    const used = new Set(Object.values(DIFFERENCES).map(({ reason }) => reason))
    assert.deepEqual(
      Object.keys(REASONS).filter((reason) => !used.has(reason)),
      [],
    )
  })
})
