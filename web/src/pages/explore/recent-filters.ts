// The filters that were run in this browser, the newest first.

const PLACE = 'vnetscope-filters'
const MOST = 20

export function recentFilters(): readonly string[] {
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(PLACE) ?? '[]')
    return Array.isArray(kept) ? kept.filter((text) => typeof text === 'string') : []
  } catch {
    // Without storage, or with something else in it, there are none.
    return []
  }
}

export function rememberFilter(text: string): void {
  const filter = text.trim()
  if (filter === '' || filter === 'any') return
  try {
    const others = recentFilters().filter((other) => other !== filter)
    localStorage.setItem(PLACE, JSON.stringify([filter, ...others].slice(0, MOST)))
  } catch {
    // Without storage they last no longer than the editor's own history.
  }
}
