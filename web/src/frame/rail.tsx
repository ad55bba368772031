// The rail at the left: where to go, and how many of each there are.
import { useLocation } from '@tanstack/react-router'
import {
  Activity,
  ArrowLeftRight,
  ChartArea,
  Cpu,
  LayoutDashboard,
  RadioTower,
  Server,
  Settings,
  Tags,
} from 'lucide-react'
import type { LucideIcon } from 'lucide-react'
import { useExporters, useInventory } from '../api/system.ts'
import { countText } from '../figures/units.ts'
import { Go } from '../parts/go.tsx'

interface Item {
  readonly to: string
  readonly label: string
  readonly icon: LucideIcon
  readonly count?: number | undefined
  readonly wrong?: string | undefined
  readonly lacking?: number
}

function ItemLink({ item }: { readonly item: Item }) {
  const path = useLocation({ select: (location) => location.pathname })
  const active = item.to === '/' ? path === '/' : path === item.to || path.startsWith(`${item.to}/`)
  const Icon = item.icon
  return (
    <Go to={item.to} className={`rail-item ${active ? 'active' : ''}`} title={item.label}>
      <Icon size={17} strokeWidth={1.8} aria-hidden="true" />
      <span className="rail-label">{item.label}</span>
      {item.count === undefined || item.count === 0 ? null : (
        <span className={`rail-count ${item.wrong === undefined ? '' : 'bad'}`} title={item.wrong}>
          {item.lacking ? `${countText(item.count - item.lacking)}/` : ''}
          {countText(item.count)}
          {item.wrong === undefined ? null : <span className="sr">, {item.wrong}</span>}
        </span>
      )}
    </Go>
  )
}

export function Rail() {
  const inventory = useInventory().data
  const exporters = useExporters().data
  const machines = inventory?.machines
  const silent = exporters?.exporters.filter((exporter) => exporter.state === 'silent').length ?? 0
  const groups: readonly { readonly name?: string; readonly items: readonly Item[] }[] = [
    {
      items: [
        { to: '/', label: 'Overview', icon: LayoutDashboard },
        { to: '/explore', label: 'Explore', icon: ChartArea },
        { to: '/conversations', label: 'Conversations', icon: ArrowLeftRight },
      ],
    },
    {
      name: 'Virtual network',
      items: [
        { to: '/vlans', label: 'VLANs', icon: Tags, count: inventory?.vlans.length },
        {
          to: '/machines',
          label: 'Machines',
          icon: Cpu,
          count: machines?.filter((machine) => machine.kind !== 'host').length,
        },
        {
          to: '/hosts',
          label: 'Hosts',
          icon: Server,
          count: machines?.filter((machine) => machine.kind === 'host').length,
        },
      ],
    },
    {
      name: 'System',
      items: [
        {
          to: '/exporters',
          label: 'Exporters',
          icon: RadioTower,
          count: exporters?.total,
          lacking: silent,
          wrong: silent > 0 ? `${silent} silent` : undefined,
        },
        { to: '/settings', label: 'Settings', icon: Settings },
      ],
    },
  ]
  return (
    <nav className="rail" aria-label="Pages">
      <Go to="/" className="brand" label="vnetscope, to the overview">
        <Activity size={20} strokeWidth={2.2} aria-hidden="true" />
        <span className="rail-label">vnetscope</span>
      </Go>
      {groups.map((group) => (
        <RailGroup key={group.name ?? 'main'} {...group} />
      ))}
    </nav>
  )
}

function RailGroup({ name, items }: { readonly name?: string; readonly items: readonly Item[] }) {
  return (
    <>
      {name === undefined ? null : (
        <>
          <div className="rail-group">{name}</div>
          <div className="rail-break" aria-hidden="true" />
        </>
      )}
      {items.map((item) => (
        <ItemLink key={item.to} item={item} />
      ))}
    </>
  )
}
