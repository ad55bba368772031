// What inputs are given to: the ingests of the collector, the readers of `decode`, the dissector, files. Each says what must hold
// whatever the input is; a breach is thrown.

import assert from 'node:assert/strict'
import { MirrorReader } from '../../src/capture/mirror.ts'
import { parseMirrors, type MirrorChoice } from '../../src/capture/mirror-choice.ts'
import { createPacketBlock } from '../../src/capture/packet-block.ts'
import { isIpfixFile, readIpfixFile } from '../../src/capture/ipfix-file.ts'
import type { IpPayload } from '../../src/capture/ip-payloads.ts'
import { readCapture, readPacketBlocks } from '../../src/capture/pcap-file.ts'
import { createUdpExtractor } from '../../src/capture/udp-payloads.ts'
import { createTcpMessages } from '../../src/cli/tcp-messages.ts'
import type { Datagram, Ingest, IngestSink } from '../../src/collect/ingest.ts'
import { createNetflowIngest } from '../../src/collect/netflow.ts'
import { createNetflowReader } from '../../src/collect/netflow-reader.ts'
import { createSflowIngest } from '../../src/collect/sflow.ts'
import { createSflowReader } from '../../src/collect/sflow-reader.ts'
import { MessageFramer } from '../../src/collect/tcp-frames.ts'
import { UserError } from '../../src/base/errors.ts'
import { FlowBatch } from '../../src/flow/flow-batch.ts'
import { MetricBatch } from '../../src/flow/metric-batch.ts'
import { createPacketColumns, type PacketColumns } from '../../src/packet/columns.ts'
import { dissect, START } from '../../src/packet/dissect.ts'
import { dissectLink, LINK } from '../../src/packet/link.ts'
import { once } from './corpus.ts'
import { MOST_BYTES } from './mutate.ts'

/** Numbers chosen by the caller: source, port, time, start of a packet. */
export type Choice = number

export interface Target {
  readonly name: string
  /** Which inputs of the corpus it is for. */
  readonly of: 'netflow' | 'sflow' | 'packets'
  readonly share: number
  run(bytes: Uint8Array, length: number, choice: Choice): void
}

/** Where the bytes stand in a buffer like a receiver's, and what is around them. */
const BEFORE = 64

class Place {
  readonly bytes: Uint8Array
  readonly datagram: Datagram

  constructor(filler: number) {
    this.bytes = new Uint8Array(BEFORE + MOST_BYTES + 64).fill(filler)
    this.datagram = {
      bytes: this.bytes,
      view: new DataView(this.bytes.buffer),
      offset: BEFORE,
      length: 0,
      receivedAt: 0,
      source0: 0,
      source1: 0,
      source2: 0xffff0000,
      source3: 0,
      sourcePort: 0,
    }
  }

  put(bytes: Uint8Array, length: number, filler: number): void {
    this.bytes.set(bytes.subarray(0, length), BEFORE)
    this.bytes.fill(filler, BEFORE + length, BEFORE + Math.max(length, this.datagram.length) + 64)
    this.datagram.length = length
  }
}

const NOON = 1_800_000_000_000

/**
 * An ingest and its twin, which gets the same datagrams with other bytes around them: rows that differ would come of reading beyond the datagram.
 * Limits are low, so that eviction is part of it.
 */
function ingestTarget(
  name: string,
  of: 'netflow' | 'sflow',
  share: number,
  create: () => Ingest,
  twins: boolean,
): Target {
  const sides = (twins ? [0x00, 0xff] : [0x00]).map((filler) => side(create(), filler))
  let now = NOON
  let turn = 0
  return {
    name,
    of,
    share,
    run(bytes, length, choice) {
      now += choice & 0xff
      const tick = (++turn & 0x3ff) === 0
      for (const one of sides) one.take(bytes, length, choice, now, tick)
      const [a, b] = sides
      if (a && b) sameRows(a.batch, b.batch)
      for (const one of sides) one.check()
    },
  }
}

function side(
  ingest: Ingest,
  filler: number,
): {
  batch: FlowBatch
  take(bytes: Uint8Array, length: number, choice: Choice, now: number, tick: boolean): void
  check(): void
} {
  const place = new Place(filler)
  const { datagram } = place
  // Small enough to be full at times.
  const batch = new FlowBatch(256)
  const memory = new Uint8Array(batch.buffer)
  let dirty = 0
  const empty = (): void => {
    if (dirty > 0 || batch.n > 0) memory.fill(0)
    batch.n = 0
  }
  const sink: IngestSink = {
    flows: batch,
    metrics: new MetricBatch(),
    room(rows) {
      if (rows > batch.capacity) return false
      if (batch.n + rows > batch.capacity) empty()
      return true
    },
    sighting: () => undefined,
    problem(_, offset) {
      if (!(offset >= 0 && offset <= datagram.length)) assert.fail(`a problem at ${offset} of ${datagram.length} bytes`)
    },
  }
  return {
    batch,
    take(bytes, length, choice, now, tick) {
      place.put(bytes, length, filler)
      datagram.receivedAt = now
      datagram.source3 = (choice >>> 8) & 7
      datagram.sourcePort = 1000 + ((choice >>> 11) & 3)
      empty()
      ingest.datagram(datagram, sink)
      dirty = batch.n
      sink.metrics.clear()
      if (tick) {
        ingest.tick(now, sink)
        ingest.streams(10)
        const kept = JSON.parse(JSON.stringify(ingest.save())) as unknown
        if ((choice & 0x70000) === 0) ingest.restore(kept)
      }
    },
    check() {
      const { streams, templates, pending } = ingest.counts()
      if (!(streams <= 64 && templates <= 256 && pending >= 0 && templates >= 0))
        assert.fail(`kept ${streams} streams, ${templates} templates, ${pending} sets`)
      for (let row = 0; row < batch.n; row++) {
        if (batch.counted[row] !== 1 || (batch.sampling_rate[row] as number) < 1)
          assert.fail('a row without its count or rate')
      }
    },
  }
}

function sameRows(a: FlowBatch, b: FlowBatch): void {
  if (a.n !== b.n) assert.fail(`${a.n} rows, or ${b.n} with other bytes around the datagram`)
  if (a.n > 0 && Buffer.compare(new Uint8Array(a.buffer), new Uint8Array(b.buffer)) !== 0)
    assert.fail('rows change with the bytes around the datagram')
}

const LOW = {
  maxStreams: 64,
  maxTemplates: 256,
  maxTemplatesOfStream: 64,
  maxTemplateBytes: 1 << 20,
  maxPlans: 64,
  maxWaitingBytes: 1 << 18,
  maxWaitingBytesOfStream: 1 << 14,
}

function readerTarget(name: string, of: 'netflow' | 'sflow'): Target {
  let netflow = createNetflowReader()
  const sflow = createSflowReader()
  let turn = 0
  return {
    name,
    of,
    share: 1,
    run(bytes, length, choice) {
      // Its limits are those of a collector: filling them would look like a leak.
      if ((++turn & 0xfff) === 0) netflow = createNetflowReader()
      const payload = bytes.slice(0, length)
      const exporter = `192.0.2.${(choice >>> 8) & 7}`
      const decoded =
        of === 'sflow'
          ? sflow.read(payload, exporter, NOON)
          : netflow.read(payload, exporter, 1000 + ((choice >>> 11) & 3), NOON)
      // What can't be printed is of no use.
      if ((choice & 7) === 0) JSON.stringify(decoded)
    },
  }
}

const STARTS = [...Object.values(START), 0]
const LINKS = Object.values(LINK)

function dissectTarget(): Target {
  const columns = [createPacketColumns(), createPacketColumns()]
  const arrays = columns.map((one) => Object.values(one) as PacketColumns[keyof PacketColumns][])
  const places = [new Place(0x00), new Place(0xff)]
  return {
    name: 'dissector',
    of: 'packets',
    share: 8,
    run(bytes, length, choice) {
      const seen = [0, 0]
      for (let side = 0; side < 2; side++) {
        const place = places[side] as Place
        place.put(bytes, length, side === 0 ? 0x00 : 0xff)
        for (const array of arrays[side] as PacketColumns[keyof PacketColumns][]) array.fill(0)
        const into = columns[side] as PacketColumns
        const { view } = place.datagram
        const kind = (choice >>> 8) & 15
        // Mostly Ethernet: that is what the corpus holds.
        if (kind < 8) seen[side] = dissect(view, BEFORE, length, START.ethernet, into, 0)
        else if (kind < 12)
          seen[side] = dissect(view, BEFORE, length, STARTS[(choice >>> 12) % STARTS.length] as number, into, 0)
        else seen[side] = dissectLink(LINKS[(choice >>> 12) % LINKS.length] as number, view, BEFORE, length, into, 0)
      }
      if (seen[0] !== seen[1]) assert.fail(`seen ${seen[0]}, or ${seen[1]} with other bytes around the packet`)
      const [a, b] = arrays as [Uint32Array[], Uint32Array[]]
      for (let i = 0; i < a.length; i++) {
        const x = a[i] as Uint32Array
        const y = b[i] as Uint32Array
        for (let k = 0; k < x.length; k++)
          if (x[k] !== y[k]) assert.fail('columns change with the bytes around the packet')
      }
    },
  }
}

const MIRRORS = 'erspan, gre, vxlan, geneve, vlan 1, vlan 10, vlan 20, vlan 100'

/** A mirrored frame lies within the packet that carries it, wherever that is. */
function mirrorTarget(): Target {
  const mirrors = new MirrorReader(parseMirrors(MIRRORS) as MirrorChoice[])
  const places = [new Place(0x00), new Place(0xff)]
  const block = createPacketBlock(1)
  return {
    name: 'mirrors',
    of: 'packets',
    share: 3,
    run(bytes, length, choice) {
      const found = places.map((place, side) => {
        place.put(bytes, length, side === 0 ? 0x00 : 0xff)
        block.bytes = place.bytes
        block.view = place.datagram.view
        block.count = 1
        block.offset[0] = BEFORE
        block.captured[0] = length
        block.original[0] = length
        block.linkType[0] = (choice & 7) < 6 ? LINK.ethernet : (LINKS[(choice >>> 12) % LINKS.length] as number)
        block.tag[0] = (choice & 8) === 0 ? 0 : 0x8100000a
        mirrors.unwrap(block)
        if (block.count === 0) return ''
        const [at, captured, original] = [block.offset[0], block.captured[0], block.original[0]] as [
          number,
          number,
          number,
        ]
        if (at < BEFORE || captured <= 0 || at + captured > BEFORE + length)
          assert.fail(`${captured} bytes at ${at - BEFORE} of a packet of ${length}`)
        if (original <= 0 || original > length + 0x10100) assert.fail(`a length of ${original}`)
        return `${at} ${captured} ${original} ${block.tag[0]} ${block.linkType[0]}`
      })
      if (found[0] !== found[1]) assert.fail(`${found[0]}, or ${found[1]} with other bytes around the packet`)
    },
  }
}

function extractTarget(): Target {
  const extractor = createUdpExtractor()
  return {
    name: 'udp payloads',
    of: 'packets',
    share: 2,
    run(bytes, length, choice) {
      extractor.packet(
        (choice & 3) !== 0 ? LINK.ethernet : (LINKS[(choice >>> 12) % LINKS.length] as number),
        bytes.subarray(0, length),
      )
    },
  }
}

/** A stream of messages comes in pieces of any length: they are cut into the same messages as if it came whole. */
function framesTarget(): Target {
  const lengths = (bytes: Uint8Array, piece: number): string => {
    const framer = new MessageFramer()
    const found: number[] = []
    for (let at = 0; at < bytes.length; at += piece) {
      const part = bytes.subarray(at, at + piece)
      if (!framer.push(part, (view, offset, length) => found.push(length, view.getUint8(offset + length - 1)))) break
    }
    return found.join(' ')
  }
  return {
    name: 'tcp frames',
    of: 'netflow',
    share: 1,
    run(bytes, length, choice) {
      const stream = Buffer.concat([bytes.subarray(0, length), bytes.subarray(0, length)])
      const whole = lengths(stream, stream.length + 1)
      const parts = lengths(stream, 1 + (choice & 0x3f))
      if (whole !== parts) assert.fail(`messages of ${whole} bytes whole, of ${parts} in pieces`)
    },
  }
}

const SYN = 2
const FIN = 1

/** A TCP connection in a capture: segments out of order and sent again give the messages that those in order give, and whatever is missing nothing throws. */
function streamTarget(): Target {
  const ends = { protocol: 6, from: new Uint8Array(16), to: new Uint8Array(16).fill(1) }
  const segment = (seq: number, data: Uint8Array, flags = 0): IpPayload => {
    const bytes = new Uint8Array(20 + data.length)
    new DataView(bytes.buffer).setUint32(4, seq)
    bytes[12] = 0x50
    bytes[13] = flags
    bytes.set(data, 20)
    return { ...ends, bytes }
  }
  const messages = (segments: readonly IpPayload[]): string => {
    const found: number[] = []
    const streams = createTcpMessages({
      message: ({ bytes }) => found.push(bytes.length, bytes.at(-1) as number),
      problem: ({ offset }) => {
        if (!(offset >= 0)) assert.fail(`a problem at ${offset}`)
      },
      foreign: () => undefined,
    })
    for (const one of segments) streams.segment(one)
    streams.end()
    return found.join(' ')
  }
  return {
    name: 'tcp streams',
    of: 'netflow',
    share: 1,
    run(bytes, length, choice) {
      const stream = Buffer.concat([bytes.subarray(0, length), bytes.subarray(0, length)])
      const piece = 48 + (choice & 0xff)
      const start = choice >>> 0
      const inOrder: IpPayload[] = []
      for (let at = 0; at < stream.length; at += piece)
        inOrder.push(segment((start + 1 + at) >>> 0, stream.subarray(at, at + piece)))
      const opened = segment(start, new Uint8Array(0), SYN)
      const closed = segment((start + 1 + stream.length) >>> 0, new Uint8Array(0), FIN)
      const moved = [...inOrder, ...inOrder.slice(0, (choice >>> 8) & 3)]
      const by = 1 + ((choice >>> 10) & 7)
      for (let i = 0; i + by < moved.length; i += by + 1)
        [moved[i], moved[i + by]] = [moved[i + by] as IpPayload, moved[i] as IpPayload]
      const expected = messages([opened, ...inOrder, closed])
      const found = messages([opened, ...moved, closed])
      if (expected !== found) assert.fail(`messages ${expected} in order, ${found} out of it`)
      messages(inOrder.filter((_, i) => (i + choice) % 5 !== 0))
    },
  }
}

/** One of each. A target gets the more of the inputs the greater its share is: the slow readers get few. */
export function createTargets(): Target[] {
  const netflow = (): Ingest => createNetflowIngest(LOW, { clock: { now: () => NOON } })
  const sflow = (): Ingest => createSflowIngest({ maxStreams: 64, seed: 1 }, { clock: { now: () => NOON } })
  return [
    ingestTarget('netflow ingest', 'netflow', 6, netflow, false),
    ingestTarget('sflow ingest', 'sflow', 6, sflow, false),
    dissectTarget(),
    mirrorTarget(),
    extractTarget(),
    ingestTarget('netflow ingest and its twin', 'netflow', 2, netflow, true),
    ingestTarget('sflow ingest and its twin', 'sflow', 2, sflow, true),
    readerTarget('netflow reader', 'netflow'),
    readerTarget('sflow reader', 'sflow'),
    framesTarget(),
    streamTarget(),
  ]
}

/** Reads a damaged capture or IPFIX file: packets or messages, or a sentence for the user, and nothing else. */
export async function readDamagedFile(bytes: Uint8Array): Promise<void> {
  if (isIpfixFile(bytes)) {
    let read = 0
    for await (const { bytes: message } of readIpfixFile(once(bytes), () => undefined)) {
      if (message.length < 16) assert.fail(`a message of ${message.length} bytes`)
      read += message.length
    }
    if (read > bytes.length) assert.fail(`${read} bytes read of ${bytes.length}`)
    return
  }
  const extractor = createUdpExtractor()
  try {
    for await (const packet of readCapture(once(bytes), () => undefined))
      extractor.packet(packet.linkType, packet.bytes)
    // What a packet filter logged is rewritten where it lies
    for await (const block of readPacketBlocks(once(bytes.slice()), () => undefined, { logged: true }))
      for (let i = 0; i < block.count; i++) {
        const at = block.offset[i] as number
        const end = at + (block.captured[i] as number)
        if (at < 0 || end > block.bytes.length) assert.fail(`a packet from ${at} to ${end} of ${block.bytes.length}`)
      }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
  }
}
