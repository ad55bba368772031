// What can be done with the band, line or cell that was clicked.
import { Menu } from '@mantine/core'
import { ExternalLink, Filter, FilterX, List } from 'lucide-react'
import { useNavigate } from '@tanstack/react-router'
import type { Point } from '../../chart/brush.tsx'
import { keyText, labelOf, pathOf, valueText } from '../../names/dimensions.ts'
import { useExporterNames } from '../../names/machine-index.ts'
import type { Key } from '../../names/dimensions.ts'

export interface Picked {
  readonly columns: readonly string[]
  readonly key: Key
  readonly at: Pick<Point, 'x' | 'y'>
}

export interface PickMenuProps {
  readonly picked: Picked | undefined
  readonly onClose: () => void
  readonly onKeep: (columns: readonly string[], key: Key) => void
  readonly onDrop: (columns: readonly string[], key: Key) => void
  readonly onFlows: (columns: readonly string[], key: Key) => void
}

export function PickMenu({ picked, onClose, onKeep, onDrop, onFlows }: PickMenuProps) {
  const navigate = useNavigate()
  const exporters = useExporterNames()
  if (!picked) return null
  const { columns, key, at } = picked
  const whole = keyText(columns, key, exporters)
  const pages = columns.flatMap((column) => {
    const path = pathOf(column, key[column])
    return path === undefined ? [] : [{ column, path, text: valueText(column, key[column], exporters) }]
  })
  return (
    <Menu opened onClose={onClose} position="bottom-start" withinPortal trapFocus returnFocus width={280}>
      <Menu.Target>
        <span className="pick-point" style={{ left: at.x, top: at.y }} />
      </Menu.Target>
      <Menu.Dropdown aria-label={whole}>
        <Menu.Label>{whole}</Menu.Label>
        <Menu.Item leftSection={<Filter size={14} />} onClick={() => onKeep(columns, key)}>
          Only this
        </Menu.Item>
        <Menu.Item leftSection={<FilterX size={14} />} onClick={() => onDrop(columns, key)}>
          Without this
        </Menu.Item>
        <Menu.Item leftSection={<List size={14} />} onClick={() => onFlows(columns, key)}>
          List its flows
        </Menu.Item>
        {columns.length < 2
          ? null
          : columns.map((column) => (
              <Menu.Item
                key={column}
                leftSection={<Filter size={14} />}
                onClick={() => onKeep([column], { [column]: key[column] ?? null })}
              >
                Only {labelOf(column)} {valueText(column, key[column], exporters)}
              </Menu.Item>
            ))}
        {pages.map(({ column, path, text }) => (
          <Menu.Item
            key={column}
            leftSection={<ExternalLink size={14} />}
            onClick={() => void navigate({ to: path as never })}
          >
            Page of {text}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
