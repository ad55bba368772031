import { Resolver } from 'node:dns/promises'
import type { Clock, Millis } from '../base/clock.ts'

// Names of addresses by reverse DNS, looked up in the background: who asks gets what is known now, and asks again.
// Bounded in every way: names kept, addresses that wait, lookups at a time and a second.

export interface ReverseNamesConfig {
  /** Name servers as `address` or `address:port`; none for those of the system. */
  readonly servers: readonly string[]
  readonly perSecond: number
  /** Names and absences remembered. Default 50,000. */
  readonly kept?: number
  /** Addresses that wait. Default 2,000; more push out those that wait longest. */
  readonly waiting?: number
}

export interface ReverseNamesDeps {
  readonly clock: Clock
  /** Looks up one address: its names, or a rejection with a `code` (dns.promises has the codes). */
  readonly reverse?: (address: string) => Promise<readonly string[]>
}

export interface ReverseNames {
  stop(): void
  /**
   * The name of an address: '' if it has none, undefined if that isn't known yet; then it is being looked up.
   * @param address in its plain form
   */
  nameOf(address: string): string | undefined
  status(): ReverseNamesStatus
}

export interface ReverseNamesStatus {
  readonly kept: number
  readonly waiting: number
  readonly underWay: number
  readonly found: number
  readonly absent: number
  readonly failed: number
  /** Addresses that were pushed out before their turn. */
  readonly dropped: number
}

const KEPT = 50_000
const WAITING = 2_000
const AT_ONCE = 16
const TRIES = 2
const TIMEOUT_MS = 2_000
/** Without the TTL, which reverse lookups don't tell: names change seldom, absences are mended sooner. */
const FOUND_MS = 3_600_000
const ABSENT_MS = 600_000
const FAILED_MS = 60_000
const ABSENT: ReadonlySet<string> = new Set(['ENOTFOUND', 'ENODATA', 'EBADNAME', 'EBADRESP'])

interface Known {
  readonly name: string
  readonly until: Millis
}

export function createReverseNames(config: ReverseNamesConfig, deps: ReverseNamesDeps): ReverseNames {
  const { clock } = deps
  const most = config.kept ?? KEPT
  const longestWait = config.waiting ?? WAITING
  const resolver = deps.reverse ? undefined : createResolver(config.servers)
  const reverse = deps.reverse ?? ((address: string) => (resolver as Resolver).reverse(address))
  /** In the order of their last lookup, so that the oldest goes first. */
  const known = new Map<string, Known>()
  const waiting = new Set<string>()
  const underWay = new Set<string>()
  const counts = { found: 0, absent: 0, failed: 0, dropped: 0 }
  let tokens = config.perSecond
  let filledAt = clock.now()
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  function refill(): void {
    const now = clock.now()
    // A clock that was set back gives nothing, rather than everything.
    tokens = Math.min(config.perSecond, tokens + (Math.max(0, now - filledAt) * config.perSecond) / 1000)
    filledAt = now
  }

  /** Starts what may be started; comes again by itself while anything waits. */
  function work(): void {
    if (stopped) return
    refill()
    while (waiting.size > 0 && underWay.size < AT_ONCE && tokens >= 1) {
      // The newest first: somebody looks at it now.
      const address = [...waiting].at(-1) as string
      waiting.delete(address)
      tokens--
      void look(address)
    }
    if (waiting.size > 0 && underWay.size < AT_ONCE && timer === undefined) {
      timer = setTimeout(
        () => {
          timer = undefined
          work()
        },
        Math.ceil(1000 / config.perSecond),
      ).unref()
    }
  }

  async function look(address: string): Promise<void> {
    underWay.add(address)
    let name = ''
    let lasts = ABSENT_MS
    try {
      name = (await reverse(address)).find(isName) ?? ''
      lasts = name === '' ? ABSENT_MS : FOUND_MS
      counts[name === '' ? 'absent' : 'found']++
    } catch (error) {
      const isAbsent = ABSENT.has((error as { code?: string }).code ?? '')
      counts[isAbsent ? 'absent' : 'failed']++
      if (!isAbsent) lasts = FAILED_MS
      // A name that was known stays in use while nobody answers.
      if (!isAbsent) name = known.get(address)?.name ?? ''
    }
    underWay.delete(address)
    known.delete(address)
    known.set(address, { name, until: clock.now() + lasts })
    if (known.size > most) known.delete(known.keys().next().value as string)
    work()
  }

  function want(address: string): void {
    if (underWay.has(address)) return
    waiting.delete(address)
    waiting.add(address)
    if (waiting.size > longestWait) {
      waiting.delete(waiting.keys().next().value as string)
      counts.dropped++
    }
    work()
  }

  return {
    stop() {
      stopped = true
      clearTimeout(timer)
      waiting.clear()
      resolver?.cancel()
    },
    nameOf(address) {
      const found = known.get(address)
      if (!found || found.until <= clock.now()) want(address)
      return found?.name
    },
    status: () => ({ kept: known.size, waiting: waiting.size, underWay: underWay.size, ...counts }),
  }
}

function createResolver(servers: readonly string[]): Resolver {
  const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: TRIES })
  if (servers.length > 0) resolver.setServers(servers)
  return resolver
}

/** What a PTR record holds is anyone's choice: only what could be the name of a host is taken. */
function isName(text: string): boolean {
  return text.length <= 253 && /^[a-z\d_]([\w.-]*[a-z\d_])?$/i.test(text)
}
