import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as breath } from 'node:timers/promises'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import type { PacketSource } from '../capture/packet-source.ts'
import { SflowEncoder } from '../wire/sflow/encode.ts'
import { parseProbeConfig, type ProbeConfig } from './config.ts'
import { parseNetDev } from './kernel-devices.ts'
import { MonitoredSwitch } from './monitored-switch.ts'
import { PortNumbers } from './port-numbers.ts'
import { SwitchPort } from './port.ts'
import { learntPort, MOST_LEARNT } from './virtual-switch.ts'

const HOUR_MS = 3_600_000
const BROADCAST = 0xffffffffffff
const random = { unit: () => 0.5 }

/** Frames of 60 bytes to all, from these addresses: what a device shows next. */
function createFrames(): { readonly source: PacketSource; put(...macs: readonly number[]): void } {
  let waiting: readonly number[] = []
  const source: PacketSource = {
    name: 'nothing0',
    index: 0,
    sampleRate: 1,
    fanoutGroup: 0,
    isAway: false,
    speed: () => 0,
    next(into) {
      if (waiting.length === 0) return false
      const bytes = Buffer.alloc(60 * waiting.length)
      for (const [i, mac] of waiting.entries()) {
        bytes.writeUIntBE(BROADCAST, 60 * i, 6)
        bytes.writeUIntBE(mac, 60 * i + 6, 6)
        into.offset[i] = 60 * i
        into.captured[i] = 60
        into.original[i] = 60
        into.linkType[i] = 1
      }
      into.bytes = bytes
      into.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
      into.count = waiting.length
      waiting = []
      return true
    },
    release: () => undefined,
    lookAfter: () => undefined,
    counts: () => ({ packets: 0, drops: 0 }),
    trouble: () => '',
    end: () => undefined,
    close: () => undefined,
  }
  return { source, put: (...macs) => void (waiting = macs) }
}

interface Learning {
  readonly at: MonitoredSwitch
  readonly block: PacketBlock
  readonly said: string[]
  readonly sent: Buffer[]
  put(...macs: readonly number[]): void
  /** Lets time pass, and the switch learn. */
  after(milliseconds: number): Promise<void>
}

/** A switch that learns from what it hears: neither a bridge nor Open vSwitch tells its ports. */
async function learning(): Promise<Learning> {
  const { config } = parseProbeConfig(`sflow { agentip = 192.0.2.1 collector { ip = 127.0.0.1 }
    virtualswitch { learn = on ovsdb = /nonexistent/db.sock pcap { device = nothing0 } } }`)
  const whole = config as ProbeConfig
  const said: string[] = []
  const sent: Buffer[] = []
  let now = 0
  const encoder = new SflowEncoder({ agent: whole.agent, subAgent: 0 }, (datagram) => sent.push(Buffer.from(datagram)))
  const { source, put } = createFrames()
  const kernel = {
    counters: () => new Map(),
    ifIndex: () => 0,
    facts: () => ({ speed: 0, isAdminUp: false, isUp: false }),
  }
  const deps = { random, kernel, say: (sentence: string) => void said.push(sentence), uptime: () => now }
  const [wanted] = whole.switches
  assert.ok(wanted)
  const at = new MonitoredSwitch(
    { config: wanted, whole, subAgent: 0, encoder, source, numbers: new PortNumbers(1) },
    deps,
    undefined,
  )
  const after = async (milliseconds: number): Promise<void> => {
    now += milliseconds
    at.learn()
    // The database is asked over a socket that is not there
    for (let i = 0; i < 1000 && at.isAsking; i++) await breath()
  }
  await after(0)
  return { at, block: createPacketBlock(MOST_LEARNT + 1), said, sent, put, after }
}

describe('a switch whose ports nobody tells', () => {
  test('has a port for each machine that speaks, until it has been silent for an hour', async () => {
    const { at, block, said, put, after } = await learning()
    put(0x525400000001, 0x525400000002)
    assert.equal(at.readBlock(block), true)
    assert.deepEqual(
      at.ports.map(({ index, mac }) => [index, mac]),
      [
        [1, 0x525400000001],
        [2, 0x525400000002],
      ],
    )
    await after(HOUR_MS / 2)
    put(0x525400000002)
    at.readBlock(block)
    await after(HOUR_MS / 2 + 1)
    assert.equal(at.ports.length, 2, 'the silence of the first is counted from when it was noticed')
    await after(HOUR_MS / 2)
    assert.deepEqual(
      at.ports.map(({ mac }) => mac),
      [0x525400000002],
    )
    assert.equal(said.at(-1), 'nothing0: port 1, 52:54:00:00:00:01, is gone')
    // It comes back as another port, whose counters begin anew
    put(0x525400000001)
    at.readBlock(block)
    assert.deepEqual(
      at.ports.map(({ index, inFrames }) => [index, inFrames]),
      [
        [2, 2],
        [3, 1],
      ],
    )
  })

  test('makes room where somebody makes up addresses, and takes no more than there is room for', async () => {
    const { at, block, put, after } = await learning()
    const madeUp = Array.from({ length: MOST_LEARNT + 1 }, (_, i) => 0x020000000000 + i)
    put(...madeUp)
    at.readBlock(block)
    assert.equal(at.ports.length, MOST_LEARNT)
    await after(1)
    await after(301_000)
    assert.equal(at.ports.length, 0)
    put(0x525400000001)
    at.readBlock(block)
    assert.deepEqual(
      at.ports.map(({ index }) => index),
      [MOST_LEARNT + 1],
    )
  })
})

test('numbers of ports that are gone rest before they are given again', () => {
  const numbers = new PortNumbers(10)
  assert.deepEqual([numbers.take(), numbers.take()], [10, 11])
  for (let i = 0; i < 4097; i++) numbers.give(i + 10)
  assert.deepEqual([numbers.take(), numbers.take()], [10, 12])
})

test('/proc/net/dev is read as proc_net_dev(5) has it', () => {
  const text = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
vnet12:9007199254740993 2 0 0 0 0 0 1 3 4 0 0 0 0 0 0
broken: 1 2
`
  const found = parseNetDev(text)
  assert.deepEqual([...found.keys()], ['lo', 'vnet12'])
  assert.deepEqual(found.get('lo'), {
    inOctets: 1,
    inPackets: 2,
    inErrors: 3,
    inDrops: 4,
    inMulticast: 8,
    outOctets: 9,
    outPackets: 10,
    outErrors: 11,
    outDrops: 12,
  })
})

describe('the pool of a port whose frames the kernel chooses', () => {
  const counters = (inPackets: number, outPackets = 0): Parameters<SwitchPort['look']>[0] => ({
    inOctets: 0,
    inPackets,
    inErrors: 0,
    inDrops: 0,
    inMulticast: 0,
    outOctets: 0,
    outPackets,
    outErrors: 0,
    outDrops: 0,
  })
  const newPort = (): SwitchPort => new SwitchPort(learntPort(0x525400000001, '', 'virtual'), 1, 400, random)

  test('is what the kernel counted since the first look, and never falls', () => {
    const port = newPort()
    port.setDevice('vnet0', false)
    port.look(counters(1_000_000))
    port.take(400)
    assert.deepEqual([port.sampler.pool, port.sampler.sequence], [400, 1])
    port.look(counters(1_005_000))
    port.take(400)
    assert.equal(port.sampler.pool, 5000)
    port.take(400)
    port.look(counters(1_005_100))
    port.take(400)
    assert.equal(port.sampler.pool, 5800)
  })

  test('goes on where the device is made anew, or counts from the other side', () => {
    const port = newPort()
    port.setDevice('vnet0', false)
    port.look(counters(1000))
    port.look(counters(3000))
    port.take(400)
    assert.equal(port.sampler.pool, 2000)
    port.look(counters(10))
    port.look(counters(1010))
    port.take(400)
    assert.equal(port.sampler.pool, 3000)
    port.setDevice('br0', true)
    port.look(counters(0, 50))
    port.look(counters(0, 750))
    port.take(400)
    assert.equal(port.sampler.pool, 3700)
  })
})
