// What the search finds, and in which order.
import type { ExportersAnswer, InventoryAnswer } from '../../../src/api/contract/system.ts'
import type { ViewsAnswer } from '../../../src/api/contract/saved.ts'
import { viewTarget } from '../url/search.ts'
import { parseFilter } from '../../../src/query/filter/parse.ts'

export interface Entry {
  readonly text: string
  readonly note: string
  readonly group: 'page' | 'machine' | 'host' | 'VLAN' | 'address' | 'exporter' | 'view' | 'command'
  readonly to?: string
  readonly search?: Readonly<Record<string, string>>
  readonly command?: 'light' | 'dark' | 'auto' | 'live' | 'still'
  /** Further texts by which it is found. */
  readonly also?: readonly string[]
}

const PAGES: readonly Entry[] = [
  { text: 'Overview', note: 'page', group: 'page', to: '/' },
  { text: 'Explore', note: 'page', group: 'page', to: '/explore' },
  { text: 'Conversations', note: 'page', group: 'page', to: '/conversations' },
  { text: 'VLANs', note: 'page', group: 'page', to: '/vlans' },
  { text: 'Machines', note: 'page', group: 'page', to: '/machines' },
  { text: 'Hosts', note: 'page', group: 'page', to: '/hosts' },
  { text: 'Exporters', note: 'page', group: 'page', to: '/exporters' },
  { text: 'Settings', note: 'page', group: 'page', to: '/settings' },
  { text: 'Dark colours', note: 'command', group: 'command', command: 'dark' },
  { text: 'Light colours', note: 'command', group: 'command', command: 'light' },
  { text: 'Colours as the system', note: 'command', group: 'command', command: 'auto' },
  { text: 'Follow the present (live)', note: 'command', group: 'command', command: 'live' },
  { text: 'Hold still', note: 'command', group: 'command', command: 'still' },
]

const page = (kind: string, name: string) => `/${kind}/${encodeURIComponent(name)}`

export function entriesFrom(
  inventory: InventoryAnswer | undefined,
  exporters: ExportersAnswer | undefined,
  views: ViewsAnswer | undefined,
): Entry[] {
  const machines = (inventory?.machines ?? []).map((machine): Entry => ({
    text: machine.name,
    note:
      machine.kind === 'host' ? 'host' : machine.host === null ? machine.kind : `${machine.kind} on ${machine.host}`,
    group: machine.kind === 'host' ? 'host' : 'machine',
    to: page(machine.kind === 'host' ? 'hosts' : 'machines', machine.name),
    also: [...machine.addresses, ...machine.macs, ...(machine.uuid === null ? [] : [machine.uuid])],
  }))
  const vlans = (inventory?.vlans ?? []).map((vlan): Entry => ({
    text: `VLAN ${vlan.id}`,
    note: vlan.name ?? 'VLAN',
    group: 'VLAN',
    to: page('vlans', String(vlan.id)),
    also: vlan.name === null ? [] : [vlan.name],
  }))
  const heard = (exporters?.exporters ?? []).map((exporter): Entry => ({
    text: exporter.name ?? exporter.address,
    note: `exporter ${exporter.address}`,
    group: 'exporter',
    to: page('exporters', exporter.address),
    also: [exporter.address],
  }))
  const saved = (views?.views ?? []).map(({ name, url }): Entry => ({
    text: name,
    note: 'saved view',
    group: 'view',
    ...viewTarget(url),
  }))
  return [...PAGES, ...saved, ...machines, ...vlans, ...heard]
}

/** True for what can only be an IP address (or the start of a page for one). */
export function looksLikeAddress(text: string): boolean {
  return (
    /^(\d{1,3}\.){3}\d{1,3}$/.test(text) ||
    (/^[0-9a-f:]+$/i.test(text) && text.includes('::')) ||
    /^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$/i.test(text)
  )
}

function rank(entry: Entry, asked: string): number {
  const text = entry.text.toLowerCase()
  if (text === asked) return 0
  if (text.startsWith(asked)) return 1
  if (text.split(/[\s_.-]/).some((word) => word.startsWith(asked))) return 2
  if (text.includes(asked)) return 3
  if (entry.also?.some((other) => other.toLowerCase().startsWith(asked))) return 4
  return entry.also?.some((other) => other.toLowerCase().includes(asked)) ? 5 : Infinity
}

/** The best `most` entries for what was typed; an address and a filter can always be gone to. */
export function found(entries: readonly Entry[], typed: string, most = 40): Entry[] {
  const asked = typed.trim().toLowerCase()
  if (asked === '') return entries.slice(0, most)
  const ranked = entries
    .map((entry, index) => ({ entry, index, rank: rank(entry, asked) }))
    .filter((candidate) => candidate.rank < Infinity)
    .sort((a, b) => a.rank - b.rank || a.index - b.index)
    .slice(0, most)
    .map((candidate) => candidate.entry)
  const extra: Entry[] = []
  if (looksLikeAddress(asked) && !ranked.some((entry) => entry.to === page('addresses', asked))) {
    extra.push({ text: asked, note: 'address', group: 'address', to: page('addresses', asked) })
  }
  if (parseFilter(typed.trim()).ok)
    extra.push({
      text: `Explore with the filter “${typed.trim()}”`,
      note: 'filter',
      group: 'command',
      to: '/explore',
      search: { filter: typed.trim() },
    })
  return looksLikeAddress(asked) ? [...extra.slice(0, 1), ...ranked, ...extra.slice(1)] : [...ranked, ...extra]
}
