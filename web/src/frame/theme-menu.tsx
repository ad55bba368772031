import { Menu, useMantineColorScheme } from '@mantine/core'
import type { MantineColorScheme } from '@mantine/core'
import { Check, Moon, Sun, SunMoon } from 'lucide-react'

export const SCHEMES: readonly {
  readonly value: MantineColorScheme
  readonly label: string
  readonly icon: typeof Sun
}[] = [
  { value: 'auto', label: 'As the system', icon: SunMoon },
  { value: 'light', label: 'Light', icon: Sun },
  { value: 'dark', label: 'Dark', icon: Moon },
]

export function ThemeMenu() {
  const { colorScheme, setColorScheme } = useMantineColorScheme()
  const Icon = SCHEMES.find((scheme) => scheme.value === colorScheme)?.icon ?? SunMoon
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <button type="button" className="button icon wide" aria-label="Colours" title="Colours">
          <Icon size={15} aria-hidden="true" />
        </button>
      </Menu.Target>
      <Menu.Dropdown>
        {SCHEMES.map(({ value, label, icon: Mark }) => (
          <Menu.Item
            key={value}
            leftSection={<Mark size={15} />}
            rightSection={value === colorScheme ? <Check size={14} /> : null}
            onClick={() => setColorScheme(value)}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  )
}
