import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'
import { OperatorError, UserError } from '../base/errors.ts'
import type { PacketBlock } from '../capture/packet-block.ts'
import {
  FRAME,
  FrameReader,
  jsonFrame,
  linesOf,
  numberIn,
  textOf,
  TLS_SETTINGS,
  type CaptureAccepted,
  type CaptureRequest,
} from './capture-frames.ts'
import { BLOCK, padded, type InterfaceInfo } from './pcapng.ts'
import type { LiveSource } from './record-live.ts'

// A capture that a probe elsewhere makes, as a source of packets here.

export interface RemoteTarget {
  readonly host: string
  readonly port: number
  readonly key: Buffer
  /** Told to the probe, for its log. */
  readonly who: string
}

export interface RemoteSource extends LiveSource {
  readonly accepted: CaptureAccepted
  /** An interface that was told, by its number. */
  interfaceOf(number: number): InterfaceInfo
  /** What the probe has counted. */
  counts(): { readonly packets: number; readonly drops: number }
  close(): void
}

/** Received and not read yet; beyond, the probe has to wait. */
const MOST_UNREAD = 4 << 20
const STALLED_MS = 30_000
const EPB_HEAD = 28
const EPB_LEAST = 32
const EPB_FLAGS = 2
const OUTBOUND = 2
const MOST_INTERFACES = 1024

/** @throws OperatorError or UserError that says why there is no capture */
export async function openRemoteSource(target: RemoteTarget, request: CaptureRequest): Promise<RemoteSource> {
  const where = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  const socket = connect({
    host: target.host,
    port: target.port,
    ...TLS_SETTINGS,
    // Who knows the secret is who is meant
    checkServerIdentity: () => undefined,
    pskCallback: () => ({ psk: target.key, identity: target.who.slice(0, 100) }),
  })
  socket.setNoDelay(true)
  socket.setTimeout(STALLED_MS, () =>
    socket.destroy(Object.assign(new Error('nothing has come for long'), { code: 'ETIMEDOUT' })),
  )
  try {
    await once(socket, 'secureConnect')
  } catch (error) {
    throw connectError(where, error as NodeJS.ErrnoException)
  }
  const source = new RemoteReader(socket, where)
  socket.write(jsonFrame(FRAME.request, request))
  try {
    source.accepted = await source.answer()
  } catch (error) {
    socket.destroy()
    throw error
  }
  return source
}

function connectError(where: string, error: NodeJS.ErrnoException): OperatorError {
  const code = error.code ?? error.message
  const options = { cause: error }
  if (/DECRYPT_ERROR/.test(code))
    return new OperatorError('wrong_secret', `the probe at ${where} has another secret`, {
      ...options,
      hint: 'both sides need the same line in their secret files',
    })
  if (code === 'ECONNREFUSED')
    return new OperatorError('no_probe', `nothing listens at ${where}`, {
      ...options,
      hint: 'a probe serves captures only where its configuration has a section “capture”',
    })
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new OperatorError('unknown_host', `there is no host of that name: ${where}`, options)
  return new OperatorError('no_probe', `there is no probe at ${where} that serves captures (${code})`, options)
}

class RemoteReader implements RemoteSource {
  accepted!: CaptureAccepted
  over: string | undefined
  hasFailed = false
  private readonly socket: TLSSocket
  private readonly where: string
  private readonly frames = new FrameReader()
  private readonly interfaces: InterfaceInfo[] = []
  private arrived: Buffer[] = []
  private unread = 0
  /** What is left of the frame of packets that is being shown. */
  private left = 0
  private received = 0
  private dropped = 0
  private isClosed = false
  private trouble: NodeJS.ErrnoException | undefined
  private wake: (() => void) | undefined

  constructor(socket: TLSSocket, where: string) {
    this.socket = socket
    this.where = where
    socket.on('error', (error) => (this.trouble = error))
    socket.on('data', (bytes: Buffer) => {
      this.arrived.push(bytes)
      this.unread += bytes.length
      if (this.unread > MOST_UNREAD) socket.pause()
      this.wake?.()
    })
    socket.once('close', () => {
      this.isClosed = true
      this.wake?.()
    })
  }

  /** What the probe says to the request. */
  async answer(): Promise<CaptureAccepted> {
    for (;;) {
      this.gather()
      if (this.frames.next()) {
        const { kind } = this.frames
        const body = this.frames.json() ?? {}
        if (kind === FRAME.refused)
          throw new UserError(
            `the probe at ${this.where} refuses: ${linesOf(body['message']) || 'it says no reason'}`,
            {
              ...(typeof body['hint'] === 'string' ? { hint: textOf(body['hint']) } : {}),
            },
          )
        if (kind === FRAME.accepted) return readAccepted(body)
        throw this.strange()
      }
      if (this.frames.isBroken) throw this.strange()
      if (this.isClosed)
        throw new OperatorError(
          'no_probe',
          `the probe at ${this.where} ended the connection (${this.trouble?.code ?? 'closed'})`,
        )
      await new Promise<void>((resolve) => (this.wake = resolve))
    }
  }

  interfaceOf(number: number): InterfaceInfo {
    return this.interfaces[number] as InterfaceInfo
  }

  counts(): { packets: number; drops: number } {
    return { packets: this.received, drops: this.dropped }
  }

  next(into: PacketBlock): boolean {
    if (this.left === 0 && !this.toPackets()) return false
    const { window } = this.frames
    into.bytes = window.bytes
    into.view = window.view
    into.count = 0
    while (this.left > 0 && into.count < into.offset.length) {
      const length = this.readPacket(into, window.view, window.at)
      if (length === 0) {
        this.left = 0
        this.fail('sent what is no packet')
        return into.count > 0
      }
      window.at += length
      this.left -= length
    }
    return true
  }

  release(): void {
    if (this.unread <= MOST_UNREAD / 2 && this.socket.isPaused()) this.socket.resume()
  }

  lookAfter(): void {
    // The probe looks after its device
  }

  end(): void {
    if (!this.socket.destroyed) this.socket.write(jsonFrame(FRAME.stop, {}))
  }

  mayFollow(): boolean {
    return this.over === undefined
  }

  close(): void {
    this.socket.destroy()
  }

  /** Reads on up to the next packets; false if there are none. */
  private toPackets(): boolean {
    const { frames } = this
    this.gather()
    while (this.over === undefined && frames.next()) {
      if (frames.kind === FRAME.packets) {
        this.left = frames.length
        if (this.left > 0) return true
        continue
      }
      const { kind } = frames
      const body = frames.json()
      if (!body) this.fail('sent what can’t be understood')
      else if (kind === FRAME.interface) this.takeInterface(body)
      else if (kind === FRAME.counts || kind === FRAME.ended) {
        this.received = numberIn(body['received'], 0, Number.MAX_SAFE_INTEGER, this.received)
        this.dropped = numberIn(body['dropped'], 0, Number.MAX_SAFE_INTEGER, this.dropped)
        if (kind === FRAME.ended) this.over = `by the probe, ${textOf(body['reason'], 200)}`
      }
    }
    if (frames.isBroken) this.fail('sent what can’t be understood')
    else if (this.isClosed && this.arrived.length === 0)
      this.endWith(`the connection to the probe broke (${this.trouble?.code ?? 'closed'})`)
    return false
  }

  /** What has arrived, behind what is unread. Only while no packets are shown: it may move them. */
  private gather(): void {
    const { window } = this.frames
    for (const bytes of this.arrived.splice(0)) window.append(bytes)
    this.unread = window.length
    if (this.unread <= MOST_UNREAD / 2 && this.socket.isPaused()) this.socket.resume()
  }

  private takeInterface(body: Readonly<Record<string, unknown>>): void {
    if (this.interfaces.length >= MOST_INTERFACES) return this.fail('tells too many interfaces')
    this.interfaces.push({
      linkType: numberIn(body['linkType'], 0, 0xffff, 1),
      snapshotLength: numberIn(body['snapshotLength'], 0, 0xffffffff, 0),
      name: textOf(body['name'], 64),
      filter: textOf(body['filter'], 4096),
      speed: numberIn(body['speed'], 0, Number.MAX_SAFE_INTEGER, 0),
      system: textOf(body['system'], 200),
      description: `at ${this.where}`,
    })
  }

  /** Bytes of the block at `at`, whose packet is put into the others; 0 if it is none. */
  private readPacket(into: PacketBlock, view: DataView, at: number): number {
    if (this.left < EPB_LEAST || view.getUint32(at, true) !== BLOCK.packet) return 0
    const length = view.getUint32(at + 4, true)
    if (length < EPB_LEAST || length > this.left || length % 4 !== 0) return 0
    const id = view.getUint32(at + 8, true)
    const captured = view.getUint32(at + 20, true)
    const from = this.interfaces[id]
    if (!from || captured > length - EPB_LEAST) return 0
    const high = view.getUint32(at + 12, true)
    const low = view.getUint32(at + 16, true)
    // A billion is 512 times 1,953,125: the number without its nine lowest bits is exact in a double until 2116
    const upper = high * 2 ** 23 + Math.floor(low / 512)
    const seconds = Math.floor(upper / 1_953_125)
    const i = into.count++
    into.seconds[i] = seconds
    into.nanos[i] = (upper - seconds * 1_953_125) * 512 + (low % 512)
    into.offset[i] = at + EPB_HEAD
    into.captured[i] = captured
    into.original[i] = view.getUint32(at + 24, true)
    into.linkType[i] = from.linkType
    into.tag[i] = 0
    into.port[i] = id
    const options = at + EPB_HEAD + padded(captured)
    const hasFlags = options + 12 <= at + length && view.getUint16(options, true) === EPB_FLAGS
    into.direction[i] = hasFlags && (view.getUint32(options + 4, true) & 3) === OUTBOUND ? 1 : 0
    return length
  }

  private strange(): OperatorError {
    return new OperatorError('no_probe', `what answers at ${this.where} is no probe of a kind that is understood`)
  }

  private fail(what: string): void {
    this.endWith(`the probe ${what}`)
    this.socket.destroy()
  }

  private endWith(why: string): void {
    if (this.over !== undefined) return
    this.over = `because ${why}`
    this.hasFailed = true
  }
}

function readAccepted(body: Readonly<Record<string, unknown>>): CaptureAccepted {
  const number = (name: string): number => numberIn(body[name], 1, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
  return {
    program: textOf(body['program'], 200),
    system: textOf(body['system'], 200),
    hardware: textOf(body['hardware'], 200),
    device: textOf(body['device'], 64),
    tellsDirections: body['tellsDirections'] === true,
    snapshotLength: numberIn(body['snapshotLength'], 64, 262_144, 262_144),
    packets: number('packets'),
    bytes: number('bytes'),
    seconds: number('seconds'),
  }
}
