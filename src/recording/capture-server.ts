import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import { markedFilter } from '../capture/filter-place.ts'
import type { openPacketSource, PacketSource } from '../capture/packet-source.ts'
import {
  FRAME,
  frameHead,
  FrameReader,
  jsonFrame,
  numberIn,
  textOf,
  TLS_SETTINGS,
  type CaptureAccepted,
  type CaptureEnded,
  type CaptureRefused,
  type CaptureRequest,
} from './capture-frames.ts'
import { hostNameIn } from './filter-names.ts'
import type { InterfaceInfo } from './pcapng.ts'
import { recordLive } from './record-live.ts'
import { createRecorder, type RecordingOutput } from './recorder.ts'
import {
  hardwareName,
  interfaceIndex,
  interfaceName,
  interfaceSpeed,
  knownLinkType,
  systemName,
  tellsDirections,
} from './this-system.ts'

// Captures for others, who know the secret: on the devices that are allowed, within bounds, each said to the operator with who
// asked, what for, and how much went out.

export interface CaptureServerConfig {
  readonly host: string
  /** 0 for any. */
  readonly port: number
  readonly key: Buffer
  readonly devices: readonly string[]
  /** The most that one capture may take, and how many there may be at a time. */
  readonly most: {
    readonly bytes: number
    readonly seconds: number
    readonly snapshotLength: number
    readonly captures: number
  }
  /** Who has not said by then what is wanted is given up, ms. Default 10 s. */
  readonly handshakeMs?: number
}

export interface CaptureServerDeps {
  readonly clock: Clock
  readonly openSource: typeof openPacketSource
  /** Name and version of this program. */
  readonly program: string
  /** Sentences for the operator. */
  say(sentence: string): void
}

export interface CaptureServer {
  /** @throws OperatorError if the port can't be had */
  start(): Promise<void>
  readonly port: number
  /** Ends what runs, and listens no more. */
  stop(): Promise<void>
}

/** Connections beside the captures: those that are just being made or refused. */
const SPARE_CONNECTIONS = 8
const HANDSHAKE_MS = 10_000
/** Who has read nothing for so long is given up. */
const STALLED_MS = 30_000
/** After its time a capture has so long to hand over what it has. */
const GRACE_MS = 10_000
const COUNTS_MS = 1000
/** Counts are not worth waiting for. */
const COUNTS_BEHIND = 64 * 1024
const BUFFER_BYTES = 8 << 20
/** Strangers are not to fill the log. */
const REFUSALS_MS = 1000
const LEAST_SNAPSHOT = 64
const MOST_FILTER = 4096

export function createCaptureServer(config: CaptureServerConfig, deps: CaptureServerDeps): CaptureServer {
  const { say } = deps
  const handshakeMs = config.handshakeMs ?? HANDSHAKE_MS
  const names = new WeakMap<TLSSocket, string>()
  /** Connections, also those that have not said who they are. */
  const open = new Set<Socket>()
  const stopping = new AbortController()
  const running = new Set<Promise<void>>()
  let captures = 0
  let refusalSaidAt = -Infinity
  let refusals = 0

  const server = createServer(
    {
      ...TLS_SETTINGS,
      handshakeTimeout: handshakeMs,
      pskCallback: (socket, identity) => {
        names.set(socket, textOf(identity, 128))
        return config.key
      },
    },
    (socket) => {
      const work = serve(socket).finally(() => running.delete(work))
      running.add(work)
    },
  )
  server.maxConnections = config.most.captures + SPARE_CONNECTIONS
  server.on('connection', (socket) => {
    socket.setNoDelay(true)
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    const why = /BINDER|DECRYPT/.test(error.code ?? '') ? 'it has another secret' : (error.code ?? error.message)
    strangerRefused(whoIs(socket), why)
    // Node leaves those open that have said nothing in time
    socket.destroy()
  })

  function strangerRefused(who: string, why: string): void {
    const now = deps.clock.now()
    if (Math.abs(now - refusalSaidAt) < REFUSALS_MS) return void refusals++
    refusalSaidAt = now
    say(`capture refused to ${who}: ${why}${refusals > 0 ? `; so were ${refusals} others before` : ''}`)
    refusals = 0
  }

  function whoIs(socket: TLSSocket): string {
    const name = names.get(socket)
    const address = plain(socket.remoteAddress ?? 'somebody')
    return name === undefined || name === '' ? address : `${name} at ${address}`
  }

  async function serve(socket: TLSSocket): Promise<void> {
    const who = whoIs(socket)
    socket.on('error', () => undefined)
    socket.setTimeout(STALLED_MS, () => socket.destroy())
    const ending = new AbortController()
    const end = (): void => ending.abort()
    stopping.signal.addEventListener('abort', end, { once: true })
    socket.once('close', end)
    try {
      const request = await requestOf(socket, handshakeMs, end)
      if (!request)
        return refuse(socket, who, { message: 'this is no request for a capture that this probe understands' })
      const checked = check(request)
      if ('message' in checked) return refuse(socket, who, checked)
      captures++
      try {
        await run(socket, who, request, checked, ending.signal)
      } finally {
        captures--
      }
    } catch (error) {
      if (error instanceof UserError || error instanceof OperatorError)
        return refuse(socket, who, { message: error.message, hint: error.hint })
      // A mistake of ours is no reason for the probe to end
      say(`capture for ${who} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      socket.destroy()
    } finally {
      stopping.signal.removeEventListener('abort', end)
    }
  }

  function refuse(socket: TLSSocket, who: string, why: CaptureRefused): void {
    say(`capture refused to ${who}: ${why.message.split('\n', 1)[0] ?? ''}`)
    socket.end(jsonFrame(FRAME.refused, why))
  }

  function check(request: CaptureRequest): CaptureAccepted | CaptureRefused {
    const { devices, most } = config
    const list = devices.join(', ')
    if (stopping.signal.aborted) return { message: 'this probe is ending' }
    if (captures >= most.captures)
      return { message: `as many captures run already as this probe allows: ${most.captures}` }
    const device = request.device === '' && devices.length === 1 ? (devices[0] as string) : request.device
    if (device === '') return { message: 'no device is named', hint: `this probe allows captures on ${list}` }
    if (!devices.includes(device))
      return { message: `captures on ${device} are not allowed here`, hint: `this probe allows captures on ${list}` }
    const { filter } = request
    const name = hostNameIn(filter)
    if (name)
      return {
        message: `the packet filter “${filter}” is wrong, or has a name in it for which the probe would have to wait:\n${markedFilter(filter, name)}`,
        hint: 'a filter for a probe names hosts and nets by their addresses',
      }
    return {
      program: deps.program,
      system: systemName(),
      hardware: hardwareName(),
      device,
      tellsDirections: tellsDirections(device),
      snapshotLength: Math.min(request.snapshotLength, most.snapshotLength),
      packets: request.packets,
      bytes: Math.min(request.bytes, most.bytes),
      seconds: Math.min(request.seconds, most.seconds),
    }
  }

  async function run(
    socket: TLSSocket,
    who: string,
    request: CaptureRequest,
    accepted: CaptureAccepted,
    signal: AbortSignal,
  ): Promise<void> {
    const { device, snapshotLength } = accepted
    const { filter } = request
    const source = openOutside(socket, device, {
      filter,
      snapshotLength,
      promiscuous: request.promiscuous,
      bufferBytes: BUFFER_BYTES,
      say,
    })
    // Somebody who reads nothing holds it open no longer than that
    const late = setTimeout(() => socket.destroy(), accepted.seconds * 1000 + GRACE_MS)
    try {
      say(
        `capture for ${who}: ${device}${filter === '' ? '' : ` (${filter})`}, at most ${accepted.bytes} bytes or ${accepted.seconds} s`,
      )
      socket.write(jsonFrame(FRAME.accepted, accepted))
      const told: InterfaceInfo[] = []
      const output = outputTo(socket, told)
      const recorder = createRecorder(
        {
          section: { application: deps.program, system: '', hardware: '', comment: '' },
          snapshotLength,
          knowsInbound: accepted.tellsDirections,
          bounds: { packets: accepted.packets, bytes: accepted.bytes, fileBytes: Infinity, fileSeconds: Infinity },
        },
        {
          output,
          clock: deps.clock,
          counts: () => undefined,
          interfaceOf(port, linkType) {
            const name = interfaceName(port) || device
            const info: InterfaceInfo = {
              linkType,
              snapshotLength,
              name,
              filter,
              speed: interfaceSpeed(name),
              system: systemName(),
              description: '',
            }
            told.push(info)
            return info
          },
        },
      )
      const linkType = knownLinkType(device)
      if (linkType !== undefined) recorder.declare(interfaceIndex(device), linkType)
      let countedAt = performance.now()
      const counted = (): { received: number; dropped: number } => {
        const { packets, drops } = source.counts()
        return { received: packets, dropped: drops }
      }
      const end = await recordLive(source, recorder, {
        seconds: accepted.seconds,
        signal,
        turn() {
          const now = performance.now()
          if (now - countedAt < COUNTS_MS || socket.writableLength > COUNTS_BEHIND) return
          countedAt = now
          socket.write(jsonFrame(FRAME.counts, counted()))
        },
      })
      await recorder.end('').catch(() => undefined)
      const reason = stopping.signal.aborted
        ? 'because the probe ends, or allows it no longer'
        : {
            packets: 'after as many packets as were asked for',
            bytes: `before more than ${accepted.bytes} bytes`,
            seconds: `after ${accepted.seconds} s`,
            asked: 'when it was told to',
            failed: 'because the connection broke',
            over: 'at the end',
          }[end]
      const ended: CaptureEnded = { ...counted(), reason }
      const { packets } = recorder.status()
      say(
        `capture for ${who} ended ${socket.destroyed && end === 'asked' ? 'because the connection broke' : reason}: ${packets} packets, ${output.bytes} bytes sent, ${ended.dropped} packets dropped by the kernel`,
      )
      if (!socket.destroyed) socket.end(jsonFrame(FRAME.ended, ended))
    } finally {
      source.close()
      if (socket.destroyed) clearTimeout(late)
      else socket.once('close', () => clearTimeout(late))
    }
  }

  /** The capture's own packets are not captured: they would make more of themselves. */
  function openOutside(
    socket: TLSSocket,
    device: string,
    options: NonNullable<Parameters<typeof openPacketSource>[1]> & { readonly filter: string },
  ): PacketSource {
    const { filter } = options
    // First as it was asked for, so that what is wrong is said of that
    const source = deps.openSource(device, options)
    const [here, there] = [plain(socket.localAddress), plain(socket.remoteAddress)]
    const own = `not (tcp and host ${here} and host ${there} and port ${socket.localPort} and port ${socket.remotePort})`
    try {
      // In front: behind “vlan” libpcap looks for everything behind a tag
      const without = deps.openSource(device, { ...options, filter: filter === '' ? own : `${own} and (${filter})` })
      source.close()
      return without
    } catch {
      // What carries no IP carries no capture
      return source
    }
  }

  return {
    async start() {
      server.listen(config.port, config.host)
      try {
        await once(server, 'listening')
      } catch (cause) {
        const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
        throw new OperatorError(
          'listen_failed',
          `captures can’t be served at ${config.host}:${config.port} (${code})`,
          {
            cause,
          },
        )
      }
      // A connection that fails is not the server's end
      server.on('error', (error) => say(`captures: ${error.message}`))
    },
    get port() {
      return (server.address() as AddressInfo | null)?.port ?? 0
    },
    async stop() {
      stopping.abort()
      const closed = once(server, 'close')
      server.close()
      const late = setTimeout(() => {
        for (const socket of open) socket.destroy()
      }, COUNTS_MS)
      await Promise.allSettled(running)
      await closed
      clearTimeout(late)
    },
  }
}

/** An address as filters have it: of IPv4 where it is one, and without the interface. */
function plain(address = ''): string {
  return address.replace(/^::ffff:/, '').replace(/%.*$/, '')
}

/** Chunks as frames. What stands before and behind packets in a file is told otherwise. */
function outputTo(socket: TLSSocket, told: InterfaceInfo[]): RecordingOutput {
  let bytes = 0
  const write = (part: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.write(part, (error) =>
        error ? reject(new OperatorError('reader_gone', 'who read the packets has gone', { cause: error })) : resolve(),
      )
    })
  return {
    unwritten: 0,
    get bytes() {
      return bytes
    },
    async write(chunk) {
      for (const info of told.splice(0)) await write(jsonFrame(FRAME.interface, info))
      if (chunk.length === 0) return
      socket.write(frameHead(FRAME.packets, chunk.length))
      await write(chunk.bytes.subarray(0, chunk.length))
      bytes += chunk.length
    },
    close: () => Promise.resolve(),
  }
}

/** The first frame; undefined if it is no request. Later ones ask for the end. */
function requestOf(socket: TLSSocket, withinMs: number, stop: () => void): Promise<CaptureRequest | undefined> {
  const frames = new FrameReader()
  return new Promise((resolve) => {
    let isAsked = false
    const late = setTimeout(() => resolve(undefined), withinMs)
    const done = (request: CaptureRequest | undefined): void => {
      clearTimeout(late)
      isAsked = true
      resolve(request)
    }
    socket.once('close', () => done(undefined))
    socket.on('data', (bytes: Buffer) => {
      frames.window.append(bytes)
      while (frames.next()) {
        const { kind } = frames
        const body = frames.json()
        if (kind === FRAME.stop) stop()
        else if (!isAsked) done(kind === FRAME.request && body ? readRequest(body) : undefined)
      }
      if (frames.isBroken) {
        if (isAsked) socket.destroy()
        else done(undefined)
      }
    })
  })
}

function readRequest(body: Readonly<Record<string, unknown>>): CaptureRequest | undefined {
  if (body['version'] !== 1) return undefined
  return {
    version: 1,
    device: textOf(body['device'], 64),
    filter: textOf(body['filter'], MOST_FILTER),
    snapshotLength: numberIn(body['snapshotLength'], LEAST_SNAPSHOT, 262_144, 262_144),
    promiscuous: body['promiscuous'] === true,
    packets: numberIn(body['packets'], 1, Number.MAX_SAFE_INTEGER, 1),
    bytes: numberIn(body['bytes'], 1, Number.MAX_SAFE_INTEGER, 1),
    seconds: numberIn(body['seconds'], 1, 86_400 * 365, 1),
  }
}
