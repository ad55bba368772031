// A thing keeps its colour across charts, pages and reloads.

export const SERIES_COLOURS = {
  light: ['#1f6feb', '#0f9d8a', '#d9822b', '#8a5cd6', '#c2417c', '#6b8e23', '#3c7fa6'],
  dark: ['#5b9bff', '#38c3ae', '#eca556', '#ac8bea', '#e27aa5', '#a3c05a', '#73b4d8'],
} as const
export const OTHER_COLOUR = { light: '#c4cad4', dark: '#485362' } as const
export type Scheme = keyof typeof SERIES_COLOURS

/** Things that a picture shows by themselves; the rest is "other". */
export const SERIES = SERIES_COLOURS.light.length

/** FNV-1a over UTF-16 units: stable across browsers and reloads. */
export function stableHash(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}

/**
 * Gives each name one of the seven places. The order given is that of importance: the first to ask for a place has
 * it, a later one that hashes to the same takes the next free one; when all are taken they are shared from the hash on.
 * Names in `kept` (given out earlier) come before all others, so that a refresh doesn't repaint what is on the screen.
 */
export function assignColours(
  names: readonly string[],
  kept: ReadonlyMap<string, number> = new Map(),
): Map<string, number> {
  const given = new Map<string, number>()
  const uses = Array.from({ length: SERIES }, () => 0)
  const take = (name: string, slot: number) => {
    given.set(name, slot)
    uses[slot] = (uses[slot] ?? 0) + 1
  }
  for (const name of names) {
    const slot = kept.get(name)
    if (slot !== undefined && !given.has(name) && uses[slot] === 0) take(name, slot)
  }
  for (const name of names) {
    if (given.has(name)) continue
    const least = Math.min(...uses)
    let slot = stableHash(name) % SERIES
    while (uses[slot] !== least) slot = (slot + 1) % SERIES
    take(name, slot)
  }
  return given
}

export function colourOf(slot: number | undefined, scheme: Scheme): string {
  return slot === undefined ? OTHER_COLOUR[scheme] : (SERIES_COLOURS[scheme][slot % SERIES] ?? OTHER_COLOUR[scheme])
}
