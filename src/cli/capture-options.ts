import { InvalidArgumentError } from 'commander'
import { UserError } from '../base/errors.ts'
import { targetOf } from './target.ts'

// The flags of capture: sizes and times with units.

const BYTES: Readonly<Record<string, number>> = { '': 1, k: 1e3, m: 1e6, g: 1e9 }
const SECONDS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 86_400 }

/** `100M`, `64k`, `1500000`; decimal, as tcpdump’s -C. @param unit of a bare number */
export function parseBytes(unit: '' | 'm'): (text: string) => number {
  return (text) => {
    const match = /^(\d{1,12})([kmg]?)b?$/i.exec(text)
    const bytes = Number(match?.[1]) * (BYTES[(match?.[2] || unit).toLowerCase()] as number)
    if (!match || bytes < 1 || !Number.isSafeInteger(bytes))
      throw new InvalidArgumentError('Expected a size such as 100M, 64k or 2G.')
    return bytes
  }
}

/** `90`, `10m`, `1h`: seconds. */
export function parseSeconds(text: string): number {
  const match = /^(\d{1,9})([smhd]?)$/i.exec(text)
  const seconds = Number(match?.[1]) * (SECONDS[(match?.[2] ?? '').toLowerCase()] as number)
  if (!match || seconds < 1) throw new InvalidArgumentError('Expected a time such as 90, 10m or 1h.')
  return seconds
}

/** `probe://10.0.0.5:6690`, `probe://[::1]:6690/eth1`. @throws UserError */
export function parseProbe(text: string): { host: string; port: number; device: string } {
  const match = /^probe:\/\/([^/]+)(?:\/([^\s/]{1,64})?)?$/.exec(text)
  const target = targetOf(match?.[1] ?? '')
  if (!target)
    throw new UserError(`“${text}” names no probe`, {
      hint: 'write it as probe://HOST:PORT or probe://HOST:PORT/DEVICE, with an IPv6 address in brackets',
    })
  return { ...target, device: match?.[2] ?? '' }
}

export function sizeText(bytes: number): string {
  for (const [unit, size] of [
    ['GB', 1e9],
    ['MB', 1e6],
    ['kB', 1e3],
  ] as const)
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`
  return `${bytes} bytes`
}

export function timeText(seconds: number): string {
  for (const [unit, size] of [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
  ] as const)
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}`
  return `${seconds} s`
}
