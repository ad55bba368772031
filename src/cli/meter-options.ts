import { InvalidArgumentError } from 'commander'
import { EXPECTED_MIRRORS, parseMirrors, type MirrorChoice } from '../capture/mirror-choice.ts'
import { TRACK_LEVELS, type TrackLevel } from '../meter/flow-key.ts'
import { UserError } from '../base/errors.ts'
import { USUAL_MOST, type CapturesConfig } from '../probe/config.ts'
import { LISTEN } from '../probe/settings.ts'
import type { FlowTimeouts } from '../meter/flow-timeouts.ts'
import type { DatagramTarget } from '../base/datagram-sender.ts'
import { targetOf } from './target.ts'

// The meter's flags, in softflowd's words.

export interface MeterOptions {
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
  readonly kernelSampling: number
  readonly unwrap?: readonly MirrorChoice[]
  readonly fanoutGroup?: number
  readonly user?: string
  readonly captures?: { readonly host: string; readonly port: number }
  readonly captureSecret?: string
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

/** Seconds, by softflowd's names of them. */
export const USUAL_TIMEOUTS: Readonly<Record<string, number>> = {
  maxlife: 300,
  tcp: 60,
  'tcp.fin': 5,
  'tcp.rst': 5,
  udp: 60,
  icmp: 60,
  general: 60,
}

const UNITS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }

/** `tcp=90`, `maxlife=5m`; repeated, the later ones hold. */
export function parseTimeout(text: string, before: Record<string, number>): Record<string, number> {
  const match = /^([a-z.]+)=(\d{1,9})([smhdw]?)$/i.exec(text)
  const name = match?.[1]?.toLowerCase() ?? ''
  if (!match || !Object.hasOwn(USUAL_TIMEOUTS, name))
    throw new InvalidArgumentError(
      `Expected NAME=TIME with NAME one of ${Object.keys(USUAL_TIMEOUTS).join(', ')}, and TIME as 90, 5m or 1h.`,
    )
  return { ...before, [name]: Number(match[2]) * (UNITS[(match[3] ?? '').toLowerCase()] as number) }
}

export function timeoutsOf(given: Readonly<Record<string, number>>): FlowTimeouts {
  const at = { ...USUAL_TIMEOUTS, ...given }
  const seconds = (name: string): number => at[name] as number
  return {
    active: seconds('maxlife'),
    tcp: seconds('tcp'),
    tcpFin: seconds('tcp.fin'),
    tcpRst: seconds('tcp.rst'),
    udp: seconds('udp'),
    icmp: seconds('icmp'),
    general: seconds('general'),
  }
}

/** `host:port`, `[::1]:2055`, several with commas between. */
export function parseCollectors(text: string, before: readonly DatagramTarget[]): DatagramTarget[] {
  const more = text.split(',').map((part) => {
    const target = targetOf(part.trim())
    if (!target)
      throw new InvalidArgumentError('Expected HOST:PORT, as 127.0.0.1:2055 or [::1]:2055, several with commas.')
    return target
  })
  return [...before, ...more]
}

export interface DeviceChoice {
  readonly device: string
  /** Interface index that its flows carry, if not the device's own. */
  readonly index?: number
}

/** `eth0`, or `7:eth0` for flows that carry the index 7; `nflog:5`, `7:nflog:5`. */
export function parseDevice(text: string, before: readonly DeviceChoice[]): DeviceChoice[] {
  const match = /^(?:(\d{1,10}):)?([^\s/:][^\s/]{0,63})$/.exec(text)
  if (!match || Number(match[1] ?? 0) > 0xffffffff)
    throw new InvalidArgumentError('Expected a device such as eth0, or INDEX:DEVICE such as 7:eth0.')
  const choice: DeviceChoice =
    match[1] === undefined ? { device: match[2] as string } : { device: match[2] as string, index: Number(match[1]) }
  return [...before, choice]
}

export function parseUnwrap(text: string): MirrorChoice[] {
  const choices = parseMirrors(text)
  if (!choices) throw new InvalidArgumentError(`Expected ${EXPECTED_MIRRORS}.`)
  return choices
}

export function parseVersion(text: string): 5 | 9 | 10 {
  if (text === '5' || text === '9' || text === '10') return Number(text) as 5 | 9 | 10
  if (text.toLowerCase() === 'ipfix') return 10
  throw new InvalidArgumentError('Expected 5 (NetFlow v5), 9 (NetFlow v9) or 10 (IPFIX).')
}

export function parseTrack(text: string): TrackLevel {
  const level = TRACK_LEVELS.find((name) => name === text)
  if (level === undefined) throw new InvalidArgumentError(`Expected one of ${TRACK_LEVELS.join(', ')}.`)
  return level
}

/** A whole number within bounds. */
export function wholeBetween(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`Expected a whole number from ${least} to ${most}.`)
    return value
  }
}

/** `127.0.0.1:6690`, where captures are served. */
export function parseListen(text: string): { host: string; port: number } {
  const place = LISTEN.read(text)
  if (!place) throw new InvalidArgumentError(`Expected ${LISTEN.expected}.`)
  return place
}

/** Captures that a meter makes for others of its devices: none unless it is told where, and by which secret. */
export function capturesOf(options: {
  readonly captures?: { readonly host: string; readonly port: number }
  readonly captureSecret?: string
  readonly interface: readonly DeviceChoice[]
}): CapturesConfig | undefined {
  const { captures, captureSecret: secretFile } = options
  if (!captures && secretFile === undefined) return undefined
  if (!captures || secretFile === undefined)
    throw new UserError('captures for others need both --captures and --capture-secret')
  return { ...captures, secretFile, devices: options.interface.map(({ device }) => device), most: USUAL_MOST }
}
