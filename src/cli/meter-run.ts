import type { DatagramSender } from '../base/datagram-sender.ts'
import type { MirrorCounts } from '../capture/mirror.ts'
import { createMeter, type Meter, type MeterStatus } from '../meter/meter.ts'
import { timeoutsOf, type MeterOptions } from './meter-options.ts'

// What metering a device and metering a file have in common.

/** Readers take an uptime of 0 for none, and packets of a device may have waited before its meter began. */
const HEAD_START_MS = 1000

export function newMeter(options: MeterOptions, sender: DatagramSender, startedAt: number): Meter {
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
      kernelSampling: options.kernelSampling,
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
export const WINDOW = 256
const END_AT_ONCE = 4096

/** Reports what is left, no faster than it can be sent. */
export async function finish(meter: Meter, sender: DatagramSender): Promise<void> {
  while (meter.end(END_AT_ONCE)) if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
  await sender.below(1)
}

/** What one source gave. */
export interface SourceStatus {
  readonly name: string
  readonly packets: number
  readonly drops: number
  readonly isAway: boolean
}

export interface Summary {
  readonly status: MeterStatus
  readonly sender: DatagramSender
  readonly seconds: number
  readonly sources?: readonly SourceStatus[]
  readonly mirrors?: MirrorCounts | undefined
  /** The same some time ago: what came since is told a second. */
  readonly before?: { readonly status: MeterStatus; readonly seconds: number } | undefined
}

const MEGABYTE = 1 << 20

export function summary({ status, sender, seconds, sources = [], mirrors, before }: Summary): string {
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
  if (before) lines.splice(1, 0, rates(status, seconds, before))
  if (mirrors) lines.push(`mirrors: ${mirrors.unwrapped} frames unwrapped, ${mirrors.others} packets of others`)
  for (const { name, packets, drops, isAway } of sources)
    lines.push(`${name}: ${packets} packets, ${drops} dropped by the kernel${isAway ? ', away' : ''}`)
  for (const { host, port, sent, failed, error } of sender.status())
    lines.push(`to ${host}:${port}: ${sent} datagrams${failed > 0 ? `, ${failed} failed (${error})` : ''}`)
  return `${lines.join('\n')}\n`
}

function rates(now: MeterStatus, seconds: number, before: { status: MeterStatus; seconds: number }): string {
  const span = Math.max(seconds - before.seconds, 1e-3)
  const rate = (of: (status: MeterStatus) => number): number => (of(now) - of(before.status)) / span
  return (
    `${span.toFixed(1)} s: ${Math.round(rate(({ packets }) => packets))} packets/s, ` +
    `${Math.round(rate(({ bytes }) => 8 * bytes))} bit/s of IP, ${Math.round(rate(({ records }) => records))} records/s`
  )
}
