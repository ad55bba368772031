const REFRESH_MS = 10_000

/** Names of exporters, kept at hand for filters such as `exporter prg-*`; refreshed in the background. */
export function createExporterNames(ask: () => Promise<readonly (readonly [address: string, name: string])[]>) {
  let names: readonly (readonly [string, string])[] = []
  let timer: NodeJS.Timeout | undefined

  async function refresh(): Promise<void> {
    try {
      names = await ask()
    } catch {
      // The pipeline is away: its end is told elsewhere, the names known so far stand.
    }
  }

  return {
    start(): void {
      void refresh()
      timer = setInterval(() => void refresh(), REFRESH_MS).unref()
    },
    stop(): void {
      clearInterval(timer)
    },
    /** Addresses of the exporters whose name matches; `*` stands for any characters. */
    addresses(pattern: string): string[] {
      const parts = pattern.toLowerCase().split('*')
      return names.filter(([, name]) => matches(name.toLowerCase(), parts)).map(([address]) => address)
    },
  }
}

/** The parts between the stars, in order: no regular expression, since patterns come from users. */
function matches(name: string, parts: readonly string[]): boolean {
  const first = parts[0] ?? ''
  if (parts.length === 1) return name === first
  if (!name.startsWith(first)) return false
  let at = first.length
  for (const part of parts.slice(1, -1)) {
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  const last = parts.at(-1) ?? ''
  return name.length - last.length >= at && name.endsWith(last)
}
