// The console's colours for what is drawn on a canvas, where CSS variables don't reach.
import type { Scheme } from '../figures/colours.ts'

export interface Inks {
  readonly panel: string
  readonly line: string
  readonly ink: string
  readonly ink2: string
  readonly ink3: string
}

export const INKS: Readonly<Record<Scheme, Inks>> = {
  light: { panel: '#ffffff', line: '#e6e8ec', ink: '#14181f', ink2: '#5b6472', ink3: '#8b94a3' },
  dark: { panel: '#141a22', line: '#232b36', ink: '#e6eaf0', ink2: '#9aa5b4', ink3: '#6b7686' },
}

export const CHART_FONT = "'Inter Variable', system-ui, sans-serif"
