// What mutations start from: datagrams and packets that the project's own encoders and simulator write, one of every structure and
// element that is known, and, where there is a folder of captures, everything in it.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { captureKind, readCapture } from '../../src/capture/pcap-file.ts'
import { createUdpExtractor } from '../../src/capture/udp-payloads.ts'
import { flowProtocol } from '../../src/cli/flow-protocol.ts'
import { simulateMinutes } from '../../src/simulate/simulator.ts'
import { ELEMENT_TABLES } from '../../src/wire/ipfix/elements.ts'
import { COUNTER_STRUCTURES, FLOW_STRUCTURES } from '../../src/wire/sflow/structures.ts'
import * as message from '../fixtures/netflow-messages.ts'
import { structureRecord } from '../fixtures/sflow-structures.ts'
import {
  counterSample,
  flowSample,
  hex,
  join as joined,
  sampledHeader,
  sflowDatagram,
  TCP_FRAME,
  tlv,
  xdr,
} from '../fixtures/xdr.ts'

export interface Packet {
  readonly bytes: Uint8Array
  readonly linkType: number
}

export interface Corpus {
  readonly netflow: Uint8Array[]
  readonly sflow: Uint8Array[]
  readonly packets: Packet[]
  /** Whole capture and IPFIX files. */
  readonly files: Uint8Array[]
}

/** Everything of our own, and what a folder of captures holds, if one is given: of each file no more packets than asked for. */
export async function createCorpus(captures?: string, mostOfAFile = 400): Promise<Corpus> {
  const corpus: Corpus = { netflow: [], sflow: [], packets: [], files: [] }
  simulated(corpus)
  corpus.netflow.push(...everyElement(), ...special())
  corpus.sflow.push(...everyStructure())
  corpus.packets.push(...tunnels().map((bytes) => ({ bytes, linkType: 1 })))
  corpus.files.push(pcap(corpus.packets.slice(0, 4)), pcapng(corpus.packets.slice(0, 4)))
  corpus.files.push(pcap(corpus.packets.slice(0, 4).map(logged), 239))
  const messages = corpus.netflow.filter((one) => one[1] === 10)
  corpus.files.push(joined(...messages.slice(0, 6)), joined(...messages.slice(-6)))
  if (captures !== undefined) await readFolder(captures, corpus, mostOfAFile)
  return corpus
}

/** A few datagrams of each exporter of the simulated data center, templates and options among them. */
function simulated(corpus: Corpus): void {
  for (const protocol of ['sflow', 'netflow5', 'netflow9', 'ipfix'] as const) {
    const list = protocol === 'sflow' ? corpus.sflow : corpus.netflow
    let taken = 0
    simulateMinutes(
      { protocol, hosts: 2, vms: 6, pps: 4_000, sampling: 10, activeTimeout: 5, inactiveTimeout: 2 },
      0.2,
      (datagram) => {
        if (taken++ < 16) list.push(datagram.slice())
      },
    )
  }
}

const LENGTHS: Readonly<Record<string, number>> = {
  unsigned8: 1,
  signed8: 1,
  boolean: 1,
  unsigned16: 2,
  signed16: 2,
  unsigned32: 4,
  signed32: 4,
  float32: 4,
  ipv4Address: 4,
  dateTimeSeconds: 4,
  macAddress: 6,
  ipv6Address: 16,
  string: 65535,
  octetArray: 65535,
  basicList: 65535,
  subTemplateList: 65535,
  subTemplateMultiList: 65535,
}

/** Messages of IPFIX and v9 whose templates have every known element once, eight at a time, each with two records. */
function everyElement(): Uint8Array[] {
  const messages: Uint8Array[] = []
  let id = 256
  for (const [enterprise, lines] of ELEMENT_TABLES) {
    const elements = lines
      .trim()
      .split('\n')
      .map((line) => line.split(' '))
    for (let k = 0; k < elements.length; k += 8) {
      const fields = elements.slice(k, k + 8).map(([element, , type]): message.FieldSpec => {
        const length = LENGTHS[type as string] ?? 8
        return enterprise === 0 ? [Number(element) & 0x7fff, length] : [Number(element) & 0x7fff, length, enterprise]
      })
      const record = fields.flatMap(([, length], i) =>
        length === 65535 ? message.variable([0, i, 8, 0, 4]) : Array.from({ length }, (_, b) => (b + i) & 0xff),
      )
      id = 256 + ((id - 255) % 1000)
      messages.push(
        message.ipfix({ domain: 3 }, message.set(2, message.template(id, fields)), message.set(id, record, record)),
      )
      if (enterprise !== 0) continue
      const fixed = fields.map(([element, length]): message.FieldSpec => [element, length === 65535 ? 5 : length])
      const body = fixed.flatMap(([, length]) => Array.from({ length }, (_, b) => b))
      messages.push(
        message.netflow9({ domain: 3 }, message.set(0, message.template(id, fixed)), message.set(id, body, body)),
      )
    }
  }
  return messages
}

/** What templates alone don't show: options, lists in lists, packets in records, withdrawals, biflows, NetFlow v5 and v7. */
function special(): Uint8Array[] {
  const { ipfix, netflow5, netflow9, set, template, optionsTemplate, optionsTemplate9, u16, u32, u8, variable, ip } =
    message
  const inner = [...u8(3), ...u16(8), ...u16(4), ...ip('192.0.2.1'), ...ip('192.0.2.2')]
  const nested = [...u8(3), ...u16(291), ...u16(65535), ...variable(inner), ...variable(inner)]
  const seven = new Uint8Array(24 + 2 * 52)
  seven.set([0, 7, 0, 2])
  return [
    netflow5({ sampling: 100 }, [{}, { protocol: 1 }, {}]),
    seven,
    netflow9(
      { domain: 9 },
      set(
        1,
        optionsTemplate9(
          257,
          [[1, 4]],
          [
            [48, 1],
            [49, 1],
            [50, 4],
          ],
        ),
      ),
      set(257, [...u32(0), 1, 2, ...u32(100)]),
    ),
    netflow9(
      { domain: 9 },
      set(
        1,
        optionsTemplate9(
          258,
          [[2, 4]],
          [
            [82, 8],
            [34, 4],
          ],
        ),
      ),
      set(258, [...u32(3), ...Buffer.from('eth0\0\0\0\0'), ...u32(10)]),
    ),
    netflow9(
      { domain: 9 },
      set(
        0,
        template(300, [
          [8, 4],
          [12, 4],
          [22, 4],
          [21, 4],
          [10, 2],
          [82, 6],
          [48, 1],
          [1, 4],
          [2, 4],
        ]),
      ),
      set(
        300,
        Array.from({ length: 31 }, (_, i) => i),
        Array.from({ length: 31 }, (_, i) => 255 - i),
      ),
    ),
    ipfix(
      { domain: 9 },
      set(
        3,
        optionsTemplate(
          259,
          [[302, 8]],
          [
            [304, 2],
            [305, 4],
            [306, 4],
            [309, 4],
            [310, 4],
            [311, 8],
            [160, 8],
          ],
        ),
      ),
      set(
        259,
        Array.from({ length: 42 }, (_, i) => i),
      ),
    ),
    ipfix(
      { domain: 9 },
      set(
        2,
        template(301, [
          [8, 4],
          [12, 4],
          [291, 65535],
          [292, 65535],
          [293, 65535],
        ]),
      ),
      set(301, [
        ...ip('192.0.2.1'),
        ...ip('192.0.2.2'),
        ...variable(nested),
        ...variable([3, ...u16(302), ...ip('192.0.2.1')]),
        ...variable([3, ...u16(302), ...u16(8), ...ip('192.0.2.1')]),
      ]),
    ),
    ipfix({ domain: 9 }, set(2, template(302, [[8, 4]])), set(302, ip('192.0.2.9'))),
    ipfix(
      { domain: 9 },
      set(
        2,
        template(303, [
          [313, 65535],
          [315, 65535],
          [312, 2],
          [305, 4],
        ]),
      ),
      set(303, [...variable([...TCP_FRAME.subarray(18)]), ...variable([...TCP_FRAME]), ...u16(1500), ...u32(10)]),
    ),
    ipfix(
      { domain: 9 },
      set(
        2,
        template(304, [
          [8, 4],
          [12, 4],
          [1, 8],
          [2, 8],
          [1, 8, 29305],
          [2, 8, 29305],
          [243, 2],
          [245, 2],
          [351, 8],
        ]),
      ),
      set(
        304,
        Array.from({ length: 52 }, (_, i) => i),
      ),
    ),
    ipfix(
      { domain: 9 },
      set(
        2,
        template(305, [
          [4, 1],
          [8, 4],
          [12, 4],
          [4, 1],
          [8, 4],
          [12, 4],
          [7, 2],
          [11, 2],
        ]),
      ),
      set(
        305,
        Array.from({ length: 22 }, (_, i) => i),
      ),
    ),
    ipfix({ domain: 9 }, set(2, [...u16(304), ...u16(0)]), set(3, [...u16(3), ...u16(0)])),
    ipfix(
      { domain: 9 },
      set(
        777,
        Array.from({ length: 40 }, (_, i) => i),
      ),
    ),
  ]
}

/** Datagrams with every structure of sFlow in every kind of sample that can hold it. */
function everyStructure(): Uint8Array[] {
  const header = sampledHeader(TCP_FRAME)
  const flows = [...FLOW_STRUCTURES.values()].map(({ tag, fields }) => structureRecord(tag, fields, 'flow'))
  const counters = [...COUNTER_STRUCTURES.values()].map(({ tag, fields }) => structureRecord(tag, fields, 'counter'))
  const datagrams: Uint8Array[] = []
  for (let k = 0; k < flows.length; k += 3) {
    const records = flows.slice(k, k + 3)
    const some = [header, ...records]
    datagrams.push(
      sflowDatagram([flowSample(some), flowSample(records)]),
      sflowDatagram([tlv(3, joined(xdr(1, 0, 3, 400, 40_000, 0, 0, 3, 0, 7, some.length), ...some))], {
        agent: hex('20010db8000000000000000000000001'),
      }),
      sflowDatagram([tlv(5, joined(xdr(1, 0, 3, 5, 3, 7, 288, some.length), ...some))], { agent: new Uint8Array(0) }),
    )
  }
  for (let k = 0; k < counters.length; k += 3) {
    const records = counters.slice(k, k + 3)
    datagrams.push(
      sflowDatagram([counterSample(records), counterSample(records, 0x02000001)]),
      sflowDatagram([tlv(4, joined(xdr(1, 2, 1, records.length), ...records))]),
    )
  }
  // InMon's custom metrics and flows (4300:1002, 4300:1003), one of each type of value.
  datagrams.push(
    sflowDatagram([
      tlv((4300 << 12) | 1002, xdr('app', 4, 'a', 0, 'text', 'b', 1, 7, 'c', 2, 7n, 'd', 5, 7)),
      tlv((4300 << 12) | 1003, xdr('app', 10, 100, 4, 'a', 0, 'text', 'b', 2, 0x0a000001, 'c', 4, 7, 'd', 7, 7n)),
    ]),
  )
  return datagrams
}

const IP4 = (protocol: number, body: Uint8Array): Uint8Array =>
  joined(
    hex('4500'),
    Uint8Array.of((body.length + 20) >> 8, (body.length + 20) & 255),
    hex('00010000 40'),
    Uint8Array.of(protocol),
    hex('0000 0a010203 0a040506'),
    body,
  )
const IP6 = (next: number, body: Uint8Array): Uint8Array =>
  joined(
    hex('60000000'),
    Uint8Array.of(body.length >> 8, body.length & 255, next),
    hex('40 20010db8000000000000000000000001 20010db8000000000000000000000002'),
    body,
  )
const ETHER = (type: string, body: Uint8Array): Uint8Array => joined(hex('525400000002 525400000001'), hex(type), body)
const UDP = (port: number, body: Uint8Array): Uint8Array =>
  joined(
    hex('c350'),
    Uint8Array.of(port >> 8, port & 255, (body.length + 8) >> 8, (body.length + 8) & 255),
    hex('0000'),
    body,
  )

/** Packets through every header and tunnel that the dissector knows. */
function tunnels(): Uint8Array[] {
  const tcp = hex('9c40 01bb 00000001 00000002 5018 0200 0000 0000')
  const inner4 = IP4(6, tcp)
  const inner6 = IP6(6, tcp)
  const frame = ETHER('0800', inner4)
  const bodies = [
    inner4,
    IP4(1, hex('08000000')),
    IP4(4, inner4),
    IP4(41, inner6),
    IP4(47, joined(hex('00000800'), inner4)),
    IP4(47, joined(hex('20006558 00123400'), frame)),
    IP4(47, joined(hex('b0006558 00000000 00000001 00000002'), frame)),
    IP4(47, joined(hex('100088be 00000001 1064000100000000'), frame)),
    IP4(47, joined(hex('100022eb 00000001 206400010000000000000001 0000000000000000'), frame)),
    IP4(47, joined(hex('3081880b 00140001 00000001 00000001 ff030021'), inner4)),
    IP4(51, joined(hex('0604000000000001 00000001 000000000000000000000000'), tcp)),
    IP4(97, joined(hex('3000'), frame)),
    IP4(137, joined(hex('00064140'), inner4)),
    IP4(17, UDP(4789, joined(hex('0800000000123400'), frame))),
    IP4(17, UDP(4790, joined(hex('0c00000100123400'), inner4))),
    IP4(17, UDP(4790, joined(hex('0c00000400123400 0042 0103 000001ff'), frame))),
    IP4(17, UDP(6081, joined(hex('0200655800123400 0102 80 01 00000001'), frame))),
    IP4(17, UDP(2152, joined(hex('36ff0030 00000001 000100 85 01000000'), inner4))),
    IP4(17, UDP(3544, joined(hex('0001 0000 0000000000000001 00 0000 c350 0a010203'), inner6))),
    IP4(17, UDP(6635, joined(hex('00064140'), inner4))),
    IP4(17, UDP(4754, joined(hex('00000800'), inner4))),
    IP4(17, UDP(4341, joined(hex('8000000000000001'), inner4))),
    IP4(132, hex('9c40 01bb 00000000')),
  ]
  const six = [
    inner6,
    IP6(0, joined(hex('2c00000000000000 0600000100000001'), tcp)),
    IP6(43, joined(hex('0602000000000000 00000000000000000000000000000000'), tcp)),
    IP6(58, hex('8000')),
    IP6(41, inner6),
  ]
  return [
    ...bodies.map((body) => ETHER('0800', body)),
    ...six.map((body) => ETHER('86dd', body)),
    ETHER('8100 0064 0800', inner4),
    ETHER('88a8 0064 8100 0065 86dd', inner6),
    ETHER('88e7 00000001 525400000004 525400000003 0800', inner4),
    ETHER('8926 00000000 0800', inner4),
    ETHER('8847 00064040 000c8140', inner4),
    ETHER('8847 00064140 00000000', frame),
    ETHER('8864 1100 0001 0030 0021', inner4),
    ETHER('894f 0fc6 0103 00000100 00000000000000000000000000000000', inner4),
    ETHER('88e5 20000000 0001 0000000000000000 0800', inner4),
    ETHER('8909 01010001 0064 0800', inner4),
    ETHER('0806', hex('0001 0800 0604 0001 525400000001 0a010203 000000000000 0a040506')),
    ETHER('0030 aaaa03 000000 0800', inner4),
    ETHER('0026 424203', new Uint8Array(35)),
  ]
}

/** A frame as a packet filter logs it, big-endian like the file: EtherType and hook, interface, link header, payload. */
function logged({ bytes }: Packet): Packet {
  const length = (4 + bytes.length - 14).toString(16).padStart(4, '0')
  const before = hex('02000005 00080001 08000300 00080004 00000007 0006000f 00010000 00120010')
  return { bytes: joined(before, bytes.subarray(0, 14), hex(`0000 ${length} 0009`), bytes.subarray(14)), linkType: 239 }
}

function pcap(packets: readonly Packet[], linkType = 1): Uint8Array {
  return joined(
    xdr(0xa1b2c3d4, 0x00020004, 0, 0, 65_535, linkType),
    ...packets.map(({ bytes }) => joined(xdr(1, 2, bytes.length, bytes.length), bytes)),
  )
}

function pcapng(packets: readonly Packet[]): Uint8Array {
  const block = (type: number, body: Uint8Array): Uint8Array =>
    joined(xdr(type, body.length + 12), body, xdr(body.length + 12))
  return joined(
    block(0x0a0d0d0a, xdr(0x1a2b3c4d, 0x00010000, 0xffffffff, 0xffffffff)),
    block(1, joined(hex('00010000 00000000'), hex('0009000109000000'), xdr(0))),
    ...packets.map(({ bytes }) =>
      block(6, joined(xdr(0, 1, 2, bytes.length, bytes.length), bytes, new Uint8Array((4 - (bytes.length % 4)) % 4))),
    ),
    block(3, joined(xdr(60), (packets[0] as Packet).bytes.subarray(0, 60))),
  )
}

/** Every capture of a folder: its datagrams by protocol, what is no flow export as packets, and small files as they are. */
async function readFolder(folder: string, corpus: Corpus, mostOfAFile: number): Promise<void> {
  for (const name of globSync('**/*.{pcap,pcapng,cap,bin,dat,dump}', { cwd: folder }).sort()) {
    const file = readFileSync(join(folder, name))
    if (captureKind(file) === '') {
      sort(file, corpus)
      continue
    }
    if (captureKind(file) === 'gzip') continue
    if (file.length < 4_000) corpus.files.push(file)
    const udp = createUdpExtractor()
    let taken = 0
    for await (const packet of readCapture(once(file), () => undefined)) {
      if (taken++ >= mostOfAFile) break
      const bytes = Uint8Array.from(packet.bytes)
      const payload = udp.packet(packet.linkType, bytes)
      if (payload === 'other' || payload === 'fragment' || !sort(payload.bytes, corpus))
        corpus.packets.push({ bytes, linkType: packet.linkType })
    }
  }
}

/** Puts a datagram where it belongs; false if it is of no protocol known here. */
function sort(bytes: Uint8Array, corpus: Corpus): boolean {
  const protocol = flowProtocol(bytes)
  if (protocol === 'sflow') corpus.sflow.push(bytes.slice())
  else if (protocol === 'netflow') corpus.netflow.push(bytes.slice())
  return protocol === 'sflow' || protocol === 'netflow'
}

export async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}
