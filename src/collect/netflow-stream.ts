import type { IngestSink, ProblemCode } from './ingest.ts'
import type { FlowPlan } from './netflow-plan.ts'
import type { Template } from '../wire/ipfix/template.ts'
import type { CommonOfStream } from './netflow-common.ts'
import type { LearntElements } from './netflow-learnt.ts'
import { Sampling, type SavedSampling } from './netflow-sampling.ts'
import { Sequence } from './netflow-sequence.ts'

// Who exports: one stream an (address, protocol, observation domain), and in it one transport a source port that is alive.
//
// RFC 7011 §10.3.7 and RFC 3954 keep templates apart by transport session, that is by source port too. But exporters change their port
// (after each restart, some with each datagram), and then would be lost until they repeat their templates; and two exporters
// behind one address (NAT, two processes of one host) may give one id two meanings. So templates are kept by port, and a port without a
// template of its own may borrow that of another port of the stream, unless two ports have been seen to disagree about an id.

export type Protocol = 'netflow1' | 'netflow5' | 'netflow7' | 'netflow9' | 'ipfix'

/** Ports of one stream that are told apart at a time. */
const MAX_TRANSPORTS = 8

/** A template and, once it has been needed, how its records become rows; shared by all who announce the same. */
export interface Layout {
  readonly template: Template
  plan: FlowPlan | undefined
  /** How many announcements of it are known. */
  users: number
}

/** A template as one transport announced it. */
export interface Known {
  readonly layout: Layout
  readonly template: Template
  announcedAt: number
  usedAt: number
}

/** One source port of a stream. */
export class Transport {
  port: number
  /** The port it had before that, while it is not known whether somebody else has it; -1 if none. */
  previousPort = -1
  /** Numbers of the stream's datagrams that it sent first and last: who was heard after whom, whatever the clock says. */
  readonly firstDatagram: number
  lastDatagram = 0
  lastHeard = 0
  readonly templates = new Map<number, Known>()
  readonly sequence: Sequence
  sampling: Sampling | undefined = undefined
  /** systemInitTimeMilliseconds, 0 if not told. */
  bootedAt = 0
  /** Uptime of the last datagram in order, -1 before the first. */
  uptime = -1

  constructor(port: number, protocol: Protocol, datagram: number) {
    this.port = port
    this.firstDatagram = datagram
    this.sequence = new Sequence(protocol === 'netflow9' ? 'datagrams' : 'before')
  }
}

/** A data set that waits for its template, with what of its datagram is needed to decode it. */
export interface Waiting {
  readonly id: number
  readonly port: number
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly receivedAt: number
  readonly exportedAt: number
  readonly uptime: number
}

export class Stream {
  readonly protocol: Protocol
  readonly domain: number
  readonly address0: number
  readonly address1: number
  readonly address2: number
  readonly address3: number
  readonly hash: number
  readonly transports: Transport[] = []
  /** Two ports have announced different layouts for one id while both were alive: no borrowing. */
  portsDisagree = false
  /** Two ports have sent by turns: a new port is not taken for one that has moved. */
  portsAlternate = false
  firstHeard = 0
  lastHeard = 0
  datagrams = 0
  flows = 0
  others = 0
  lost = 0
  reordered = 0
  restarts = 0
  readonly problems: Partial<Record<ProblemCode, number>> = {}
  readonly waiting: Waiting[] = []
  waitingBytes = 0
  /** Interfaces whose names have been told of. */
  named: Set<number> | undefined = undefined
  /** Sampling rates and names remembered of it. */
  told = 0
  /** A rate from the header of v5, 0 if none. */
  headerRate = 0
  /** A rate from the configuration, for an exporter that tells none; 0 if none. */
  defaultRate = 0
  /** Elements that it told the names of, with the registries above them; none until it told one. */
  learnt: LearntElements | undefined = undefined
  /** What its flows have in common, by the id that they name; none until it told some. */
  common: CommonOfStream | undefined = undefined
  /** The VLAN stands in the destination's AS. */
  vlanInDstAs = false
  /** Has delivered rows over some time: strangers do not push it out. */
  proven = false
  // Links of the table: the chain of the hash, and the order of use.
  chained: Stream | undefined = undefined
  older: Stream | undefined = undefined
  newer: Stream | undefined = undefined

  constructor(
    protocol: Protocol,
    domain: number,
    address0: number,
    address1: number,
    address2: number,
    address3: number,
    hash: number,
  ) {
    this.protocol = protocol
    this.domain = domain
    this.address0 = address0
    this.address1 = address1
    this.address2 = address2
    this.address3 = address3
    this.hash = hash
  }

  /** Something was wrong with a datagram, `offset` bytes into it. */
  problem(sink: IngestSink, code: ProblemCode, offset: number): void {
    this.problems[code] = (this.problems[code] ?? 0) + 1
    sink.problem(code, offset)
  }

  get templates(): number {
    let count = 0
    for (const transport of this.transports) count += transport.templates.size
    return count
  }

  /** The transport of a port; a port never heard continues a transport whose sequence it goes on from, or is a new one. */
  transport(port: number, sequence: number, dropped: (known: Known) => void): Transport {
    const first = this.transports[0]
    const found = first !== undefined && first.port === port ? first : this.#transportOf(port, sequence, dropped)
    // Not an argument: as one, so large a number would be allocated for each datagram
    found.lastHeard = this.lastHeard
    found.lastDatagram = this.datagrams
    return found
  }

  #transportOf(port: number, sequence: number, dropped: (known: Known) => void): Transport {
    let found = this.transports.find((transport) => transport.port === port)
    if (found === undefined && !this.portsDisagree && !this.portsAlternate) {
      found = this.transports.find((transport) => transport.sequence.continues(sequence))
      if (found?.previousPort === port) {
        // Back on a port just given up: these are two exporters (or sockets), not one that moves.
        this.portsAlternate = true
        found = undefined
      } else if (found) {
        found.previousPort = found.port
        found.port = port
      }
    }
    if (found === undefined) {
      found = new Transport(port, this.protocol, this.datagrams)
      if (this.transports.length >= MAX_TRANSPORTS) this.#forgetTransport(dropped)
      this.transports.push(found)
    }
    // The one in use first: exporters mostly have one port.
    const at = this.transports.indexOf(found)
    if (at > 0) {
      this.transports.splice(at, 1)
      this.transports.unshift(found)
    }
    return found
  }

  /** A transport as it was saved; undefined if there are too many. */
  restoreTransport(
    port: number,
    lastHeard: number,
    bootedAt: number,
    sampling: SavedSampling | null,
  ): Transport | undefined {
    if (this.transports.length >= MAX_TRANSPORTS) return undefined
    const transport = new Transport(port, this.protocol, 0)
    transport.lastHeard = lastHeard
    transport.bootedAt = bootedAt
    if (sampling) transport.sampling = Sampling.restore(sampling)
    this.transports.push(transport)
    return transport
  }

  // What a silent port had announced goes to the newest other port that has nothing of its own under that id.
  #forgetTransport(dropped: (known: Known) => void): void {
    let oldest = this.transports[this.transports.length - 1] as Transport
    for (const transport of this.transports) if (transport.lastHeard < oldest.lastHeard) oldest = transport
    this.transports.splice(this.transports.indexOf(oldest), 1)
    const heir = this.transports[0]
    if (heir === undefined) return
    for (const [id, known] of oldest.templates) {
      if (this.transports.some((transport) => transport.templates.has(id))) {
        dropped(known)
      } else heir.templates.set(id, known)
    }
    heir.sampling ??= oldest.sampling
    if (heir.bootedAt === 0) heir.bootedAt = oldest.bootedAt
  }

  /** The template that data of `transport` with this set id is laid out by, if it is known. One borrowed from another port must fit the set's bytes. */
  known(transport: Transport, id: number, bytes: number): Known | undefined {
    const own = transport.templates.get(id)
    if (own !== undefined || this.transports.length === 1 || this.portsDisagree) return own
    let newest: Known | undefined
    for (const other of this.transports) {
      const known = other.templates.get(id)
      if (known !== undefined && (newest === undefined || known.announcedAt > newest.announcedAt)) newest = known
    }
    return newest !== undefined && fits(newest.template, bytes) ? newest : undefined
  }

  /** The template of an id as the port heard last announced it, or any other. */
  templateNamed(id: number): Template | undefined {
    for (const transport of this.transports) {
      const known = transport.templates.get(id)
      if (known !== undefined) return known.template
    }
    return undefined
  }

  /** Sampling by what the transport told, or another port of the stream. */
  samplingOf(transport: Transport): Sampling | undefined {
    if (transport.sampling !== undefined || this.transports.length === 1) return transport.sampling
    for (const other of this.transports) if (other.sampling !== undefined) return other.sampling
    return undefined
  }

  /** Forgets that ports disagreed or took turns once only one of them has been heard since `since`. */
  settlePorts(since: number): void {
    if (!this.portsDisagree && !this.portsAlternate) return
    if (this.transports.filter((transport) => transport.lastHeard >= since).length > 1) return
    this.portsDisagree = false
    this.portsAlternate = false
  }

  /** The transport's own table of rates, made on first need. */
  learnSampling(transport: Transport): Sampling {
    transport.sampling ??= new Sampling()
    return transport.sampling
  }
}

/** True if a set of so many bytes can be of whole records and padding. */
export function fits(template: Template, bytes: number): boolean {
  return template.variable ? bytes >= template.minLength : bytes >= template.minLength && bytes % template.minLength < 4
}
