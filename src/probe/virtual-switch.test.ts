import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import { SflowEncoder } from '../wire/sflow/encode.ts'
import { MacTable } from './mac-table.ts'
import { SwitchPort } from './port.ts'
import { learntPort, VirtualSwitch } from './virtual-switch.ts'

const random = { unit: () => 0.5 }
const UPLINK = 0x001422592277
const ONE = 0x525400000001
const TWO = 0x525400000002
const OTHER = 0x525400000003

function port(mac: number, index: number): SwitchPort {
  return new SwitchPort(learntPort(mac, '', mac === UPLINK ? 'uplink' : 'virtual'), index, 1000, random)
}

function switchOf(ports: SwitchPort[], sent: Buffer[] = []): VirtualSwitch {
  const agent = Buffer.from('00000000000000000000ffffc0000201', 'hex')
  const encoder = new SflowEncoder({ agent, subAgent: 0, expanded: false }, (datagram) =>
    sent.push(Buffer.from(datagram)),
  )
  const totals = { frames: 0, octets: 0, samples: 0, short: 0, drops: 0 }
  return new VirtualSwitch(ports, encoder, totals, {
    samplingRate: 1000,
    pollingInterval: 30_000,
    headerBytes: 128,
    promiscuous: true,
    random,
    isVlanAware: true,
    kernel: undefined,
  })
}

/** Frames of 60 bytes from one address to another. */
function blockOf(...frames: readonly (readonly [from: number, to: number])[]): PacketBlock {
  const block = createPacketBlock(frames.length)
  const bytes = Buffer.alloc(60 * frames.length)
  for (const [i, [from, to]] of frames.entries()) {
    bytes.writeUIntBE(to, 60 * i, 6)
    bytes.writeUIntBE(from, 60 * i + 6, 6)
    bytes.writeUInt16BE(0x0800, 60 * i + 12)
    block.offset[i] = 60 * i
    block.captured[i] = 60
    block.original[i] = 60
    block.linkType[i] = 1
  }
  block.bytes = bytes
  block.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  block.count = frames.length
  return block
}

describe('a virtual switch', () => {
  test('keeps the further addresses of its ports when another port is found', () => {
    const uplink = port(UPLINK, 1)
    const one = port(ONE, 2)
    const monitored = switchOf([uplink, one])
    monitored.addMac(OTHER, 1)
    monitored.addPort(port(TWO, 3))
    monitored.block(blockOf([OTHER, TWO]))
    assert.deepEqual([one.inUnicast, uplink.inUnicast, monitored.ports[2]?.outUnicast], [1, 0, 1])
    monitored.forgetMacs()
    monitored.block(blockOf([OTHER, TWO], [ONE, TWO]))
    assert.deepEqual([one.inUnicast, uplink.inUnicast, monitored.ports[2]?.outUnicast], [2, 1, 3])
  })

  test('gives the first frame of a machine that it learns to its port', () => {
    const uplink = port(UPLINK, 1)
    const monitored = switchOf([uplink])
    monitored.block(blockOf([ONE, TWO], [ONE, TWO]), (mac) => monitored.addPort(port(mac, 2)))
    assert.deepEqual([monitored.ports[1]?.inUnicast, uplink.inUnicast, uplink.outUnicast], [2, 0, 2])
  })

  test('tells the counters of each port once in each polling interval', () => {
    const sent: Buffer[] = []
    const monitored = switchOf([port(UPLINK, 1)], sent)
    for (let uptime = 0; uptime < 90_000; uptime += 100) {
      monitored.poll(uptime)
      monitored.flush()
    }
    assert.deepEqual(
      sent.map((datagram) => datagram.readUInt32BE(20)),
      [0, 30_000, 60_000],
    )
  })
})

test('addresses are found among many, whatever they have in common', () => {
  const table = new MacTable(12_345)
  const macs = Array.from({ length: 4096 }, (_, i) => i * 2 ** 32 + ((i << 13) >>> 0))
  for (const [i, mac] of macs.entries()) table.set(mac, i)
  assert.equal(table.size, macs.length)
  for (const [i, mac] of macs.entries()) assert.equal(table.get(Math.floor(mac / 2 ** 32), mac >>> 0), i)
  assert.equal(table.get(1, 1), -1)
})
