// How an exporter's state, protocol and sampling are said.
import type { Exporter } from '../../../src/api/contract/system.ts'
import { samplingText } from '../figures/units.ts'
import { durationText } from '../time/zone.ts'

const PROTOCOLS: Readonly<Record<string, string>> = {
  sflow: 'sFlow',
  netflow1: 'NetFlow 1',
  netflow5: 'NetFlow 5',
  netflow7: 'NetFlow 7',
  netflow9: 'NetFlow 9',
  ipfix: 'IPFIX',
}

export function protocolsText(protocols: readonly string[]): string {
  return protocols.map((protocol) => PROTOCOLS[protocol] ?? protocol).join(', ')
}

export function samplingOf(exporter: Pick<Exporter, 'sampling' | 'flows' | 'protocols' | 'streams'>): string {
  return exporter.sampling.length === 0
    ? exporter.flows === 0
      ? exporter.protocols.includes('sflow') && exporter.streams.some((stream) => stream.others > 0)
        ? 'counters only'
        : 'no flows yet'
      : 'no sampling named'
    : ratesText(exporter)
}

export function ratesText(of: Pick<Exporter, 'sampling'>): string {
  return samplingText(of.sampling.map((sampling) => sampling.rate))
}

export type ExporterState = { readonly state: 'good' | 'warn' | 'bad'; readonly text: string }

/** Heard, silent, or heard with something to look at. */
export function stateOf(exporter: Exporter, now: number): ExporterState {
  if (exporter.state === 'silent') return { state: 'bad', text: `silent for ${durationText(now - exporter.lastHeard)}` }
  const problems = Object.values(exporter.problems).reduce((sum, problem) => sum + problem.count, 0)
  if (problems > 0) return { state: 'warn', text: `${problems.toLocaleString('en-GB')} problems` }
  if (exporter.lost > exporter.datagrams * 0.001)
    return { state: 'warn', text: `${exporter.lost.toLocaleString('en-GB')} lost` }
  return { state: 'good', text: 'heard' }
}

export function nameOf(exporter: Pick<Exporter, 'name' | 'address'>): string {
  return exporter.name ?? exporter.address
}
