import { wildcard } from '../base/wildcard.ts'

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
    all(): string[] {
      return [...new Set(names.map(([, name]) => name))].toSorted()
    },
    /** Addresses of the exporters whose name matches; `*` stands for any characters. */
    addresses(pattern: string): string[] {
      const matches = wildcard(pattern)
      return names.filter(([, name]) => matches(name)).map(([address]) => address)
    },
  }
}
