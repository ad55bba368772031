// Who sends sFlow: one stream for each (agent, sub-agent), bounded whatever is sent. Streams that have been heard for a while are
// kept in a list of their own, so that a flood of invented agents pushes out only other newcomers.
import { ipText } from '../base/address.ts'
import type { StreamStatus } from './ingest.ts'

const RATE_SLOTS = 32
/** A later datagram this many numbers behind counts as reordered; anything further back is a restart. */
const WINDOW = 32
/** Unknown structures that are counted by their number; more of them are counted together. */
const MOST_UNKNOWN = 16
/** A jump ahead beyond this says that the agent began anew, not that so many were lost. */
const LONGEST_GAP = 1_000_000

export class SflowStream {
  readonly hash: number
  readonly word0: number
  readonly word1: number
  readonly word2: number
  readonly word3: number
  readonly subAgent: number
  /** The agent's address as text. */
  readonly agent: string
  sourcePort = 0
  firstHeard = 0
  lastHeard = 0
  datagrams = 0
  flows = 0
  others = 0
  lost = 0
  reordered = 0
  duplicates = 0
  restarts = 0
  problems: Record<string, number> | undefined

  private unknowns = 0
  private sequence = 0
  private uptime = 0
  /** Bit i: the datagram numbered `sequence - i` has come; 0 before the first. */
  private seen = 0
  private rates: Uint32Array | undefined

  // Links of the hash chain and of the list that holds it
  chained: SflowStream | undefined
  newer: SflowStream | undefined
  older: SflowStream | undefined
  isProtected = false

  constructor(hash: number, word0: number, word1: number, word2: number, word3: number, subAgent: number, now: number) {
    this.hash = hash
    this.word0 = word0
    this.word1 = word1
    this.word2 = word2
    this.word3 = word3
    this.subAgent = subAgent >>> 0
    this.agent = ipText(new Uint8Array(Uint32Array.of(word0, word1, word2, word3).buffer))
    this.firstHeard = now
    this.lastHeard = now
  }

  /** Takes note of a datagram's sequence number: per (agent, sub-agent), one more each datagram. Both as signed words: those never have to be allocated. */
  follow(sequence: number, uptime: number): void {
    const ahead = (sequence - this.sequence) | 0
    const before = this.uptime >>> 0
    const now = uptime >>> 0
    const began = now < before && before - now > 1000
    if (this.seen === 0) {
      this.sequence = sequence
      this.seen = 1
      this.uptime = uptime
    } else if (ahead === 1) {
      this.seen = (this.seen << 1) | 1
      this.sequence = sequence
      this.uptime = uptime
    } else if (ahead > 1 && ahead <= LONGEST_GAP && !began) {
      this.lost += ahead - 1
      this.seen = ahead >= WINDOW ? 1 : (this.seen << ahead) | 1
      this.sequence = sequence
      this.uptime = uptime
    } else if (ahead <= 0 && ahead > -WINDOW && !(began && sequence >>> 0 <= 1)) {
      const bit = 1 << -ahead
      if ((this.seen & bit) !== 0) this.duplicates++
      else {
        this.seen |= bit
        this.reordered++
        if (this.lost > 0) this.lost--
      }
    } else {
      this.restarts++
      this.sequence = sequence
      this.seen = 1
      this.uptime = uptime
    }
  }

  /** Takes note of the sampling rate of a data source; the 32 sources last seen are kept. */
  sampled(sourceClass: number, sourceIndex: number, rate: number): void {
    const rates = (this.rates ??= new Uint32Array(2 * RATE_SLOTS))
    const source = ((sourceClass << 24) ^ sourceIndex) >>> 0
    const slot = 2 * ((source ^ (source >>> 5)) & (RATE_SLOTS - 1))
    rates[slot] = source
    rates[slot + 1] = rate
  }

  problem(code: string): void {
    const problems = (this.problems ??= {})
    problems[code] = (problems[code] ?? 0) + 1
  }

  /** A structure that nothing here knows, by its data_format: `unknown_structure counter 9999:7`. */
  unknown(kind: 'flow' | 'counter' | 'sample', tag: number): void {
    const code = `unknown_structure ${kind} ${tag >>> 12}:${tag & 0xfff}`
    if (this.problems?.[code] === undefined) {
      if (this.unknowns >= MOST_UNKNOWN) {
        this.problem('unknown_structure others')
        return
      }
      this.unknowns++
    }
    this.problem(code)
  }

  status(): StreamStatus {
    return {
      exporter: this.agent,
      sourcePort: this.sourcePort,
      protocol: 'sflow',
      observation: this.subAgent,
      firstHeard: this.firstHeard,
      lastHeard: this.lastHeard,
      datagrams: this.datagrams,
      flows: this.flows,
      others: this.others,
      templates: [],
      sampling: this.sampling(),
      lost: this.lost,
      reordered: this.reordered,
      restarts: this.restarts,
      pending: 0,
      problems: { ...this.problems, ...(this.duplicates > 0 ? { duplicate: this.duplicates } : {}) },
    }
  }

  private sampling(): { rate: number; from: string }[] {
    const rates = this.rates
    if (!rates) return []
    const byRate = new Map<number, number[]>()
    for (let i = 0; i < rates.length; i += 2) {
      const rate = rates[i + 1] as number
      if (rate === 0) continue
      const sources = byRate.get(rate)
      if (sources) sources.push(rates[i] as number)
      else byRate.set(rate, [rates[i] as number])
    }
    return [...byRate].map(([rate, sources]) => ({
      rate,
      from: `data source ${sources
        .sort((a, b) => a - b)
        .map((s) => `${s >>> 24}:${s & 0xffffff}`)
        .join(', ')}`,
    }))
  }
}

/** A list from the one heard longest ago to the one heard last. */
interface Heard {
  newest: SflowStream | undefined
  oldest: SflowStream | undefined
  size: number
}

export class SflowStreams {
  evicted = 0
  /** When the datagram at hand was received; a field, because a large number as an argument would be allocated for each call. */
  now = 0
  private readonly limit: number
  private readonly protectedLimit: number
  private readonly provenDatagrams: number
  private readonly provenMillis: number
  private readonly seed: number
  private readonly table: (SflowStream | undefined)[]
  private readonly mask: number
  private readonly newcomers: Heard = { newest: undefined, oldest: undefined, size: 0 }
  private readonly proven: Heard = { newest: undefined, oldest: undefined, size: 0 }

  /**
   * @param limit streams kept at most; seven eighths of them may be proven ones
   * @param seed mixed into the hash, so that nobody outside can choose addresses that share a chain
   */
  constructor(limit: number, seed: number) {
    this.limit = Math.max(8, limit)
    this.protectedLimit = Math.floor(this.limit * 0.875)
    this.provenDatagrams = 4
    this.provenMillis = 3000
    this.seed = seed | 0
    let size = 16
    while (size < this.limit) size *= 2
    this.table = Array.from<SflowStream | undefined>({ length: size }).fill(undefined)
    this.mask = size - 1
  }

  get size(): number {
    return this.newcomers.size + this.proven.size
  }

  /** The stream of this agent and sub-agent, made if there is none, now the most recently heard. All as signed words, which never have to be allocated. */
  heard(word0: number, word1: number, word2: number, word3: number, subAgent: number): SflowStream {
    const hash = this.hash(word0, word1, word2, word3, subAgent)
    let stream = this.table[hash & this.mask]
    while (stream !== undefined) {
      if (
        stream.word3 === word3 &&
        (stream.subAgent | 0) === subAgent &&
        stream.word2 === word2 &&
        stream.word1 === word1 &&
        stream.word0 === word0
      ) {
        stream.lastHeard = this.now
        this.touch(stream)
        return stream
      }
      stream = stream.chained
    }
    return this.add(new SflowStream(hash, word0, word1, word2, word3, subAgent, this.now))
  }

  /** Most recently heard first. */
  list(limit: number): SflowStream[] {
    const all: SflowStream[] = []
    for (let s = this.proven.newest; s && all.length < limit; s = s.older) all.push(s)
    const rest = limit + all.length
    for (let s = this.newcomers.newest; s && all.length < rest; s = s.older) all.push(s)
    return all.sort((a, b) => b.lastHeard - a.lastHeard).slice(0, limit)
  }

  private hash(word0: number, word1: number, word2: number, word3: number, subAgent: number): number {
    let h = this.seed
    h = Math.imul(h ^ word0, 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 15) ^ word1, 0xc2b2ae35)
    h = Math.imul(h ^ (h >>> 13) ^ word2, 0x85ebca6b)
    h = Math.imul(h ^ (h >>> 16) ^ word3, 0xc2b2ae35)
    h = Math.imul(h ^ (h >>> 15) ^ subAgent, 0x27d4eb2f)
    return (h ^ (h >>> 16)) & 0x3fffffff
  }

  private touch(stream: SflowStream): void {
    if (stream.isProtected) {
      if (this.proven.newest !== stream) {
        unlink(this.proven, stream)
        link(this.proven, stream)
      }
      return
    }
    const now = this.now
    if (stream.datagrams >= this.provenDatagrams && now - stream.firstHeard >= this.provenMillis) {
      unlink(this.newcomers, stream)
      stream.isProtected = true
      link(this.proven, stream)
      // Too many proven ones: the one silent for longest is a newcomer again, and leaves when room is needed
      if (this.proven.size > this.protectedLimit) {
        const silent = this.proven.oldest as SflowStream
        unlink(this.proven, silent)
        silent.isProtected = false
        silent.firstHeard = now
        link(this.newcomers, silent)
      }
    } else if (this.newcomers.newest !== stream) {
      unlink(this.newcomers, stream)
      link(this.newcomers, stream)
    }
  }

  private add(stream: SflowStream): SflowStream {
    if (this.size >= this.limit) this.evict(this.newcomers.oldest ? this.newcomers : this.proven)
    const slot = stream.hash & this.mask
    stream.chained = this.table[slot]
    this.table[slot] = stream
    link(this.newcomers, stream)
    return stream
  }

  private evict(from: Heard): void {
    const stream = from.oldest as SflowStream
    unlink(from, stream)
    const slot = stream.hash & this.mask
    if (this.table[slot] === stream) this.table[slot] = stream.chained
    else {
      let before = this.table[slot] as SflowStream
      while (before.chained !== stream) before = before.chained as SflowStream
      before.chained = stream.chained
    }
    stream.chained = undefined
    this.evicted++
  }
}

function link(list: Heard, stream: SflowStream): void {
  stream.older = list.newest
  stream.newer = undefined
  if (list.newest) list.newest.newer = stream
  else list.oldest = stream
  list.newest = stream
  list.size++
}

function unlink(list: Heard, stream: SflowStream): void {
  if (stream.newer) stream.newer.older = stream.older
  else list.newest = stream.older
  if (stream.older) stream.older.newer = stream.newer
  else list.oldest = stream.newer
  stream.newer = undefined
  stream.older = undefined
  list.size--
}
