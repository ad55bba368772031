import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import { Option, type Command } from 'commander'
import { BLOCK_BYTES, openPacketRing, type PacketRing } from '../capture/af-packet.ts'
import { compileFilter, createPacketFilter, type PacketFilter } from '../capture/bpf.ts'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import { readPacketBlocksOf } from '../capture/pcap-file.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { createMeter, type Meter, type MeterStatus } from '../meter/meter.ts'
import { createDatagramSender, type DatagramSender, type DatagramTarget } from '../base/datagram-sender.ts'
import type { TrackLevel } from '../meter/flow-key.ts'
import {
  parseCollectors,
  parseDevice,
  parseTimeout,
  parseTrack,
  parseVersion,
  timeoutsOf,
  wholeBetween,
  type DeviceChoice,
} from './meter-options.ts'

interface MeterOptions {
  readonly interface: readonly DeviceChoice[]
  readonly read: readonly string[]
  readonly collector: readonly DatagramTarget[]
  readonly netflow: 5 | 9 | 10
  readonly maxFlows: number
  readonly timeout: Record<string, number>
  readonly track: TrackLevel
  readonly tos: boolean
  readonly tunnels: 'inner' | 'outer'
  readonly fragments: 'together' | 'apart'
  readonly sampling: number
  readonly sampleFlows: number
  readonly biflow: boolean
  readonly domain: number
  readonly snaplen: number
  readonly promiscuous: boolean
  readonly ring: number
  readonly templateEvery: number
  readonly templateSeconds: number
  readonly exportRate: number
  readonly status?: number
}

const MEGABYTE = 1 << 20

export function addMeter(program: Command): void {
  program
    .command('meter')
    .description('Meters packets into flows and exports them as NetFlow v5, v9 or IPFIX.')
    .argument('[filter...]', 'meter only the packets of this filter, in tcpdump’s words')
    .option('-i, --interface <[index:]device>', 'live device, repeatable', parseDevice, [])
    .option(
      '-r, --read <file>',
      'pcap or pcapng file, repeatable',
      (file: string, before: string[]) => [...before, file],
      [],
    )
    .option('-n, --collector <host:port>', 'where the flows go, repeatable or with commas', parseCollectors, [])
    .option('-v, --netflow <version>', '5, 9 or 10 (IPFIX)', parseVersion, 10)
    .option(
      '-m, --max-flows <n>',
      'flows held at once; beyond, the longest at rest ends',
      wholeBetween(16, 1 << 24),
      262_144,
    )
    .option(
      '-t, --timeout <name=time>',
      'end a flow after: maxlife 300 s of activity (in pieces), at rest tcp 60, tcp.fin 5, tcp.rst 5, udp 60, icmp 60, general 60; 0 never',
      parseTimeout,
      {},
    )
    .option(
      '-T, --track <level>',
      'what makes a flow: ip, proto, full (with ports), vlan, ether (with MACs)',
      parseTrack,
      'vlan',
    )
    .addOption(
      new Option('--tunnels <which>', 'meter what is in tunnels by its own headers, or by those of the tunnel')
        .choices(['inner', 'outer'])
        .default('inner'),
    )
    .addOption(
      new Option('--fragments <how>', 'later fragments belong to the flow of the first, or to one without ports')
        .choices(['together', 'apart'])
        .default('together'),
    )
    .option('--no-tos', 'packets that differ in ToS belong to one flow')
    .option('-s, --sampling <n>', 'meter a random one of each n packets, and say so', wholeBetween(1, 0x3fff), 1)
    .option(
      '--sample-flows <n>',
      'meter one of n flows, with all of its packets, chosen by a hash of its key, and say so',
      wholeBetween(1, 0x3fff),
      1,
    )
    .option('--biflow', 'both directions are one flow and one record (IPFIX only)', false)
    .option(
      '--domain <n>',
      'observation domain of IPFIX, source ID of v9, engine of v5',
      wholeBetween(0, 0xffffffff),
      0,
    )
    .option('-C, --snaplen <bytes>', 'bytes of a packet that are looked at', wholeBetween(64, 65_535), 256)
    .option('-N, --no-promiscuous', 'leave the device as it is')
    .option(
      '-B, --ring <bytes>',
      'room in the kernel for packets not read yet',
      wholeBetween(512 * 1024, 1 << 30),
      16 * MEGABYTE,
    )
    .option('--template-every <n>', 'tell templates again after so many datagrams', wholeBetween(1, 100_000), 100)
    .option('--template-seconds <s>', 'and after so many seconds', wholeBetween(1, 86_400), 60)
    .option('--export-rate <n>', 'datagrams a second at most, of a file', wholeBetween(1, 10_000_000), 10_000)
    .option('--status <seconds>', 'say every so often on standard error how it goes', wholeBetween(1, 86_400))
    .action((words: string[], options: MeterOptions) => meter(words.join(' '), options))
}

async function meter(filter: string, options: MeterOptions): Promise<void> {
  if (options.collector.length === 0)
    throw new UserError('no collector is named', { hint: 'give one with -n HOST:PORT' })
  if (options.interface.length > 0 === options.read.length > 0)
    throw new UserError('name either a device (-i) or a capture file (-r)')
  if (options.biflow && options.netflow !== 10)
    throw new UserError(`NetFlow v${options.netflow} has no record of both directions`, {
      hint: 'export IPFIX (-v 10), or leave --biflow out: each direction is a flow of its own then',
    })
  if (options.sampling > 1 && options.sampleFlows > 1)
    throw new UserError('packets and flows can’t both be sampled', { hint: 'give either -s or --sample-flows' })
  const isFile = options.read.length > 0
  const sender = await createDatagramSender(options.collector, isFile ? options.exportRate : Infinity)
  try {
    if (isFile) await meterFiles(filter, options, sender)
    else await meterDevices(filter, options, sender)
  } finally {
    sender.close()
  }
}

/** Readers take an uptime of 0 for none, and packets of a device may have waited before its meter began. */
const HEAD_START_MS = 1000

function newMeter(options: MeterOptions, sender: DatagramSender, startedAt: number): Meter {
  return createMeter(
    {
      version: options.netflow,
      track: options.track,
      keyTos: options.tos,
      maxFlows: options.maxFlows,
      reading: { tunnels: options.tunnels, fragments: options.fragments },
      timeouts: timeoutsOf(options.timeout),
      samplingRate: options.sampling,
      flowSampling: options.sampleFlows,
      biflow: options.biflow,
      domain: options.domain,
      templateEvery: options.templateEvery,
      templateSeconds: options.templateSeconds,
      maxBytes: 1400,
    },
    { send: (datagram) => sender.send(datagram), random: Math.random, startedAt: startedAt - HEAD_START_MS },
  )
}

/** Datagrams that are let fly before the reading waits for them. */
const WINDOW = 256
const END_AT_ONCE = 4096

async function meterFiles(filter: string, options: MeterOptions, sender: DatagramSender): Promise<void> {
  const filters = new Map<number, PacketFilter>()
  const began = performance.now()
  let meter: Meter | undefined
  const damaged: string[] = []
  for (const file of options.read) {
    const handle = await opened(file)
    try {
      const blocks = readPacketBlocksOf(handle, (code, offset) =>
        damaged.push(
          `${file}: ${code === 'truncated' ? 'ends within a packet' : 'goes on with what is no packet'} at byte ${offset}`,
        ),
      )
      for await (const block of blocks) {
        meter ??= newMeter(options, sender, (block.seconds[0] as number) * 1000)
        if (filter !== '') keepMatching(block, filter, filters)
        meter.block(block)
        if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
      }
    } catch (error) {
      if (error instanceof UserError && !meter)
        throw new UserError(`${file} can’t be metered: ${error.message}`, { cause: error })
      throw error
    } finally {
      await handle.close()
    }
  }
  if (meter) await finish(meter, sender)
  for (const line of damaged) process.stderr.write(`vnetscope: ${line}\n`)
  if (meter) process.stdout.write(summary(meter.status(), sender, (performance.now() - began) / 1000))
  else process.stdout.write('no packets\n')
}

/** Reports what is left, no faster than it can be sent. */
async function finish(meter: Meter, sender: DatagramSender): Promise<void> {
  while (meter.end(END_AT_ONCE)) if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
  await sender.below(1)
}

/** Leaves only the packets that the filter lets pass. */
function keepMatching(block: PacketBlock, expression: string, filters: Map<number, PacketFilter>): void {
  let kept = 0
  for (let i = 0; i < block.count; i++) {
    const linkType = block.linkType[i] as number
    let filter = filters.get(linkType)
    if (!filter) {
      filter = createPacketFilter(compileFilter(expression, linkType))
      filters.set(linkType, filter)
    }
    const offset = block.offset[i] as number
    if (!filter.passes(block.view, offset, block.captured[i] as number, block.original[i] as number)) continue
    block.offset[kept] = offset
    block.captured[kept] = block.captured[i] as number
    block.original[kept] = block.original[i] as number
    block.seconds[kept] = block.seconds[i] as number
    block.nanos[kept] = block.nanos[i] as number
    block.linkType[kept] = linkType
    block.tag[kept] = block.tag[i] as number
    block.port[kept] = block.port[i] as number
    block.direction[kept] = block.direction[i] as number
    kept++
  }
  block.count = kept
}

interface Device extends DeviceChoice {
  ring: PacketRing | undefined
  /** What was counted on rings that are closed. */
  packets: number
  drops: number
  /** Said once a time that it is away. */
  isAway: boolean
}

/** How long to wait where nothing came; the kernel gathers packets about as long. */
const REST_MS = 10
const ROUND_MS = 1000
const LOOK_MS = 100

async function meterDevices(filter: string, options: MeterOptions, sender: DatagramSender): Promise<void> {
  const openRing = (device: string): PacketRing =>
    openPacketRing({
      device,
      snapshotLength: options.snaplen,
      promiscuous: options.promiscuous,
      filter: filter === '' ? undefined : compileFilter(filter, device, options.snaplen),
      ringBytes: options.ring,
    })
  const devices: Device[] = options.interface.map((choice) => ({
    ...choice,
    ring: openRing(choice.device),
    packets: 0,
    drops: 0,
    isAway: false,
  }))
  const began = performance.now()
  const meter = newMeter(options, sender, Date.now())
  const block = createPacketBlock()
  let isEnding = false
  const end = (): void => void (isEnding = true)
  process.once('SIGTERM', end)
  process.once('SIGINT', end)
  process.stderr.write(`vnetscope: metering ${devices.map(({ device }) => device).join(', ')}\n`)
  let lookedAt = 0
  let checkedAt = 0
  let saidAt = began
  const readBlock = ({ ring, index }: Device): boolean => {
    if (!ring?.next(block)) return false
    if (index !== undefined) block.port.fill(index, 0, block.count)
    meter.block(block)
    ring.release()
    return true
  }
  /** What lies in the ring, and no more: it may be filled as fast as it is read. */
  const readRest = (device: Device): void => {
    for (let left = Math.floor(options.ring / BLOCK_BYTES); left > 0 && readBlock(device); left--);
  }
  while (!isEnding) {
    let isIdle = true
    for (const device of devices) if (readBlock(device)) isIdle = false
    const now = performance.now()
    if (now - lookedAt >= LOOK_MS) {
      lookedAt = now
      meter.tick(Date.now(), Math.ceil((meter.slots() * LOOK_MS) / ROUND_MS))
    }
    if (now - checkedAt >= ROUND_MS) {
      checkedAt = now
      for (const device of devices) lookAfter(device, openRing, readRest)
    }
    if (options.status !== undefined && now - saidAt >= options.status * 1000) {
      saidAt = now
      process.stderr.write(summary(meter.status(), sender, (now - began) / 1000, devices))
    }
    if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
    else await (isIdle ? wait(REST_MS) : new Promise<void>((resolve) => setImmediate(resolve)))
  }
  // The kernel has yet to hand over what came last
  await wait(3 * REST_MS)
  for (const device of devices) readRest(device)
  process.off('SIGTERM', end)
  process.off('SIGINT', end)
  await finish(meter, sender)
  const text = summary(meter.status(), sender, (performance.now() - began) / 1000, devices)
  for (const device of devices) device.ring?.close()
  process.stdout.write(text)
}

/** A device may vanish and come back: its flows go on. */
function lookAfter(device: Device, openRing: (name: string) => PacketRing, readRest: (device: Device) => void): void {
  if (device.ring) {
    const trouble = device.ring.trouble()
    if (trouble === '') return
    readRest(device)
    closeRing(device)
    if (!device.isAway) process.stderr.write(`vnetscope: ${device.device} is away (${trouble}); waiting for it\n`)
    device.isAway = true
  }
  try {
    const ring = openRing(device.device)
    // It may be there and down
    if (ring.trouble() !== '') return ring.close()
    device.ring = ring
    process.stderr.write(`vnetscope: ${device.device} is back\n`)
    device.isAway = false
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
  }
}

function closeRing(device: Device): void {
  const { ring } = device
  if (!ring) return
  const { packets, drops } = ring.counts()
  device.packets += packets
  device.drops += drops
  ring.close()
  device.ring = undefined
}

function summary(
  status: MeterStatus,
  sender: DatagramSender,
  seconds: number,
  devices: readonly Device[] = [],
): string {
  const { ended, memory } = status
  const lines = [
    `${status.packets} packets, ${status.bytes} bytes of IP in ${seconds.toFixed(1)} s` +
      (status.sampled < status.packets ? `, ${status.sampled} of them sampled` : '') +
      (status.inFlows < status.sampled - status.notIp ? `, ${status.inFlows} of them of sampled flows` : '') +
      (status.notIp > 0 ? `, ${status.notIp} not IP` : ''),
    `${status.flows} flows held of at most ${status.maxFlows}, ${Math.round(memory.used / MEGABYTE)} MiB`,
    `ended: ${ended.idle} at rest, ${ended.active} in pieces, ${ended.detected} by FIN or RST, ${ended.lackOfResources} for room, ${ended.forced} at the end`,
    `exported: ${status.records} records in ${status.datagrams} datagrams` +
      (status.unsent > 0 ? `, ${status.unsent} flows that NetFlow v5 can’t carry (IPv6)` : ''),
  ]
  for (const { device, ring, packets, drops, isAway } of devices) {
    const now = ring?.counts() ?? { packets: 0, drops: 0 }
    lines.push(
      `${device}: ${packets + now.packets} packets, ${drops + now.drops} dropped by the kernel${isAway ? ', away' : ''}`,
    )
  }
  for (const { host, port, sent, failed, error } of sender.status())
    lines.push(`to ${host}:${port}: ${sent} datagrams${failed > 0 ? `, ${failed} failed (${error})` : ''}`)
  return `${lines.join('\n')}\n`
}

async function opened(file: string): Promise<Awaited<ReturnType<typeof open>>> {
  try {
    return await open(file)
  } catch (cause) {
    throw new UserError(`${file} can’t be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`)
  }
}
