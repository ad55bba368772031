import { setTimeout as wait } from 'node:timers/promises'
import type { DatagramSender } from '../base/datagram-sender.ts'
import { RETIRE_MS } from '../capture/af-packet.ts'
import { MIRROR_OVERHEAD, MirrorReader } from '../capture/mirror.ts'
import { createPacketBlock } from '../capture/packet-block.ts'
import { capabilitiesFor, openPacketSource, type PacketSource } from '../capture/packet-source.ts'
import { dropPrivileges } from '../capture/privileges.ts'
import type { MeterStatus } from '../meter/meter.ts'
import { capturesOf } from './meter-options.ts'
import { finish, newMeter, summary, WINDOW } from './meter-run.ts'
import type { MeterOptions } from './meter-options.ts'
import { createMeterRest } from './meter-rest.ts'
import { createTargetWatch } from './target-watch.ts'
import { createServedCaptures, readAllowed } from './served-captures.ts'

interface Device {
  readonly source: PacketSource
  readonly index: number | undefined
}

/** Blocks that are read before anything else is looked after: a few milliseconds. */
const MOST_BLOCKS = 16
/** All flows are looked at within so long. */
const ROUND_MS = 1000
/** What has ended is sent after so long. */
const FLUSH_MS = 100
/** Devices are looked after so often. */
const LOOK_MS = 1000
/** Flows that are ended before packets are read again: a millisecond or two. */
export const MOST_ENDED = 2048

const say = (sentence: string): void => void process.stderr.write(`vnetscope: ${sentence}\n`)

/** Meters live devices until SIGTERM or SIGINT. */
export async function meterDevices(filter: string, options: MeterOptions, sender: DatagramSender): Promise<void> {
  // Before privileges are dropped: the secret is another's
  const allowed = readAllowed(capturesOf(options))
  const devices = openDevices(filter, options)
  const captures = createServedCaptures(say)
  await captures.take(allowed)
  const mirrors = options.unwrap && new MirrorReader(options.unwrap)
  const began = performance.now()
  const meter = newMeter(options, sender, Date.now())
  const block = createPacketBlock()
  let isEnding = false
  const end = (): void => void (isEnding = true)
  // Told again, it goes on to end in order; a second Ctrl-C ends it at once
  process.on('SIGTERM', end)
  process.once('SIGINT', end)
  const names = devices.map(({ source }) => source.name).join(', ')
  say(`metering ${names}`)

  const rest = createMeterRest(options.ring)
  const readBlock = ({ source, index }: Device): boolean => {
    if (!source.next(block)) return false
    const last = block.count - 1
    // Of a block that held only what lo sent none is shown
    if (last >= 0)
      rest.read((block.offset[last] as number) + (block.captured[last] as number) - (block.offset[0] as number))
    if (index !== undefined) block.port.fill(index, 0, block.count)
    mirrors?.unwrap(block)
    meter.block(block)
    source.release()
    return true
  }
  const told = (before?: { status: MeterStatus; seconds: number }): string =>
    summary({
      status: meter.status(),
      sender,
      seconds: (performance.now() - began) / 1000,
      sources: devices.map(({ source }) => ({ name: source.name, ...source.counts(), isAway: source.isAway })),
      mirrors: mirrors?.counts,
      before,
    })

  const watch = createTargetWatch(say)
  let before = { status: meter.status(), seconds: 0 }
  let sweptAt = began
  let flushedAt = began
  let lookedAt = began
  // Slots of the round that are still to be looked at
  let owed = 0
  while (!isEnding) {
    let isIdle = true
    for (const device of devices) {
      let blocks = 0
      while (blocks < MOST_BLOCKS && readBlock(device)) blocks++
      if (blocks === MOST_BLOCKS) isIdle = false
    }
    const now = performance.now()
    const reach = meter.slots()
    owed = Math.min(reach, owed + (reach * (now - sweptAt)) / ROUND_MS)
    sweptAt = now
    const slots = Math.floor(owed)
    const left = meter.tick(Date.now(), slots, MOST_ENDED)
    owed -= slots - left
    if (left > 0) isIdle = false
    if (now - flushedAt >= FLUSH_MS) {
      flushedAt = now
      meter.flush()
    }
    if (now - lookedAt >= LOOK_MS) {
      lookedAt = now
      for (const { source } of devices) source.lookAfter()
      watch(sender.status())
    }
    const seconds = (now - began) / 1000
    if (options.status !== undefined && seconds - before.seconds >= options.status) {
      process.stderr.write(told(before))
      before = { status: meter.status(), seconds }
    }
    if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
    else if (isIdle) await wait(rest.next())
    else await new Promise<void>((resolve) => setImmediate(resolve))
  }
  await captures.stop()
  // The kernel has yet to hand over what came last
  await wait(3 * RETIRE_MS)
  for (const device of devices) {
    device.source.end()
    while (readBlock(device));
  }
  process.off('SIGINT', end)
  await finish(meter, sender)
  const text = told()
  for (const { source } of devices) source.close()
  process.stdout.write(text)
}

function openDevices(filter: string, options: MeterOptions): Device[] {
  const devices: Device[] = []
  try {
    for (const { device, index } of options.interface) {
      const source = openPacketSource(device, {
        filter,
        snapshotLength: options.snaplen + (options.unwrap ? MIRROR_OVERHEAD : 0),
        // Of a mirrored packet the headers of its own are looked at, behind those by which it came
        headersOnly: options.unwrap === undefined,
        promiscuous: options.promiscuous,
        bufferBytes: options.ring,
        sampleRate: options.kernelSampling,
        fanoutGroup: options.fanoutGroup,
        say,
      })
      devices.push({ source, index })
    }
    const names = devices.map(({ source }) => source.name)
    if (options.user !== undefined) dropPrivileges(options.user, capabilitiesFor(names))
  } catch (error) {
    for (const { source } of devices) source.close()
    throw error
  }
  return devices
}
