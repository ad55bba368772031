// Search over everything: pages, saved views, machines, hosts, VLANs, addresses, exporters, commands.
import { Modal, useMantineColorScheme } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { Bookmark, Cpu, FileSearch, Globe, RadioTower, Server, SquareTerminal, Tags } from 'lucide-react'
import type { LucideIcon } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useViews } from '../api/saved.ts'
import { useExporters, useInventory } from '../api/system.ts'
import { useClock } from '../time/clock.tsx'
import { entriesFrom, found } from './palette-entries.ts'
import type { Entry } from './palette-entries.ts'

const ICONS: Readonly<Record<Entry['group'], LucideIcon>> = {
  page: FileSearch,
  machine: Cpu,
  host: Server,
  VLAN: Tags,
  address: Globe,
  exporter: RadioTower,
  view: Bookmark,
  command: SquareTerminal,
}

export function Palette({ onClose }: { readonly onClose: () => void }) {
  const inventory = useInventory().data
  const exporters = useExporters().data
  const views = useViews().data
  const navigate = useNavigate()
  const clock = useClock()
  const { setColorScheme } = useMantineColorScheme()
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const list = useRef<HTMLDivElement>(null)
  const entries = useMemo(() => entriesFrom(inventory, exporters, views), [inventory, exporters, views])
  const shown = useMemo(() => found(entries, typed), [entries, typed])

  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' })
  }, [at])

  const pick = (entry: Entry | undefined) => {
    if (!entry) return
    onClose()
    if (entry.command === 'live' || entry.command === 'still') clock.setLive(entry.command === 'live')
    else if (entry.command) setColorScheme(entry.command)
    else if (entry.to) void navigate({ to: entry.to as never, search: (entry.search ?? {}) as never })
  }
  return (
    <Modal
      opened
      onClose={onClose}
      withCloseButton={false}
      padding={0}
      size={560}
      yOffset="12vh"
      transitionProps={{ duration: 0 }}
      title={undefined}
      aria-label="Find"
    >
      <input
        className="palette-field"
        data-autofocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={shown[at] ? `palette-${at}` : undefined}
        aria-label="Find a machine, VLAN, address, page or command"
        placeholder="Find a machine, VLAN, address, page or command"
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setAt(Math.min(shown.length - 1, at + 1))
          else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1))
          else if (event.key === 'Enter') pick(shown[at])
          else return
          event.preventDefault()
        }}
      />
      <div className="palette-list" role="listbox" id="palette-list" ref={list} aria-label="Found">
        {shown.map((entry, index) => {
          const Icon = ICONS[entry.group]
          return (
            <div
              key={`${entry.group} ${entry.text} ${entry.to ?? ''}`}
              id={`palette-${index}`}
              role="option"
              aria-selected={index === at}
              className="palette-item"
              onMouseMove={() => setAt(index)}
              onClick={() => pick(entry)}
            >
              <Icon size={15} aria-hidden="true" />
              <span className="truncate">{entry.text}</span>
              <span className="dim">{entry.note}</span>
            </div>
          )
        })}
      </div>
    </Modal>
  )
}
