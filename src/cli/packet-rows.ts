import { createReadStream } from 'node:fs'
import { readCapture, type CapturedPacket } from '../capture/pcap-file.ts'
import { unpacked } from '../capture/unpacked.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { KeyTable } from '../inventory/key-table.ts'
import { clearPacketRow, createPacketColumns, type PacketColumns } from '../packet/columns.ts'
import { dissectLink } from '../packet/link.ts'
import type { LeftOut } from './payloads.ts'
import type { RowWriter } from './row-writer.ts'

// Packets → flows, as a meter makes them: one row for the packets of one direction of a connection, ended by rest, by
// age, or when the batch is full. Bytes are those of the frames on the wire.

const IDLE_MS = 15_000
const LONGEST_MS = 300_000
/** Addresses 4 + 4, tunnel 4 + 4, MACs 2 + 2, ports, VLAN tags, protocol with ICMP type and code, VNI, EtherType. */
const KEY_WORDS = 25

export interface PacketReader {
  /** Answers how many packets of the file became part of a flow. */
  read(file: string, left: LeftOut): Promise<number>
}

export function createPacketReader(writer: RowWriter): PacketReader {
  const one = createPacketColumns(1)
  const key = new Uint32Array(KEY_WORDS)
  let flows = new KeyTable(KEY_WORDS, 1024)
  let batch: FlowBatch = writer.sink.flows

  function add(packet: CapturedPacket): boolean {
    const { bytes, linkType, originalLength } = packet
    clearPacketRow(one, 0)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    if (dissectLink(linkType, view, 0, bytes.length, one, 0) === 0) return false
    const time = packet.seconds * 1000 + Math.floor(packet.nanos / 1e6)
    fillKey(key, one)
    let row = flows.find(key, 0)
    if (row >= 0 && !goesOn(batch, row, time)) row = -1
    if (row < 0) row = begin(time)
    addTo(batch.bytes, row, originalLength)
    addTo(batch.packets, row, 1)
    batch.tcp_flags[row] = (batch.tcp_flags[row] as number) | (one.tcp_flags[0] as number)
    setTime(batch.time_end, row, Math.max(time, timeOf(batch.time_end, row)))
    setTime(batch.time_received, row, timeOf(batch.time_end, row))
    return true
  }

  function begin(time: number): number {
    writer.sink.room(1)
    if (batch !== writer.sink.flows) {
      // A full batch is written: what lives goes on in new rows.
      batch = writer.sink.flows
      flows = new KeyTable(KEY_WORDS, 1024)
    }
    const row = batch.n++
    copyPacket(batch, row, one)
    batch.sampling_rate[row] = 1
    batch.counted[row] = 1
    setTime(batch.time_start, row, time)
    setTime(batch.time_end, row, time)
    flows.set(key, 0, row)
    return row
  }

  return {
    async read(file, left) {
      let packets = 0
      const damaged = (code: string, offset: number): void => {
        left.damage.push(
          `${file}: ${code === 'truncated' ? 'the file ends within a packet' : 'a length is wrong'} at byte ${offset}`,
        )
      }
      const bytes = unpacked(createReadStream(file, { highWaterMark: 1 << 18 }), damaged)
      for await (const packet of readCapture(bytes, damaged)) {
        if (add(packet)) packets++
        else left.notUnderstood++
        if (writer.isFull()) await writer.settle()
      }
      return packets
    },
  }
}

function fillKey(key: Uint32Array, p: PacketColumns): void {
  for (let w = 0; w < 4; w++) {
    key[w] = p.src_addr[w] as number
    key[4 + w] = p.dst_addr[w] as number
    key[8 + w] = p.tunnel_src[w] as number
    key[12 + w] = p.tunnel_dst[w] as number
  }
  key[16] = p.src_mac[0] as number
  key[17] = p.src_mac[1] as number
  key[18] = p.dst_mac[0] as number
  key[19] = p.dst_mac[1] as number
  key[20] = ((p.src_port[0] as number) << 16) | (p.dst_port[0] as number)
  key[21] = ((p.vlan_in[0] as number) << 16) | (p.s_vlan[0] as number)
  key[22] =
    ((p.proto[0] as number) << 24) |
    ((p.tunnel[0] as number) << 16) |
    ((p.icmp_type[0] as number) << 8) |
    (p.icmp_code[0] as number)
  key[23] = p.vni[0] as number
  key[24] = p.ethertype[0] as number
}

function goesOn(batch: FlowBatch, row: number, time: number): boolean {
  return time - timeOf(batch.time_end, row) < IDLE_MS && time - timeOf(batch.time_start, row) < LONGEST_MS
}

const PAIRS = ['src_mac', 'dst_mac'] as const
const ADDRESSES = ['src_addr', 'dst_addr', 'tunnel_src', 'tunnel_dst'] as const
const SINGLES = [
  'vlan_in',
  's_vlan',
  'ethertype',
  'vni',
  'tunnel',
  'proto',
  'src_port',
  'dst_port',
  'tos',
  'ttl',
  'icmp_type',
  'icmp_code',
  'mpls_label',
] as const

function copyPacket(batch: FlowBatch, row: number, p: PacketColumns): void {
  for (const name of PAIRS) batch[name].set(p[name], 2 * row)
  for (const name of ADDRESSES) batch[name].set(p[name], 4 * row)
  for (const name of SINGLES) batch[name][row] = p[name][0] as number
}

function timeOf(words: Uint32Array, row: number): number {
  return (words[2 * row + 1] as number) * 2 ** 32 + (words[2 * row] as number)
}

function setTime(words: Uint32Array, row: number, ms: number): void {
  words[2 * row] = ms % 2 ** 32
  words[2 * row + 1] = Math.floor(ms / 2 ** 32)
}

function addTo(words: Uint32Array, row: number, count: number): void {
  setTime(words, row, timeOf(words, row) + count)
}
