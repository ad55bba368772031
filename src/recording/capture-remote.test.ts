import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import fc from 'fast-check'
import { UserError } from '../base/errors.ts'
import { createPacketBlock } from '../capture/packet-block.ts'
import type { openPacketSource } from '../capture/packet-source.ts'
import { openRemoteSource, type RemoteSource } from './capture-client.ts'
import { FRAME, frameHead, FrameReader, jsonFrame, TLS_SETTINGS, type CaptureRequest } from './capture-frames.ts'
import { readCaptureKey } from './capture-secret.ts'
import { createCaptureServer, type CaptureServer } from './capture-server.ts'

// Both ends of a remote capture, against another that sends what it likes.

const key = Buffer.alloc(32, 7)
const folder = mkdtempSync(join(tmpdir(), 'capture-remote-'))
after(() => rmSync(folder, { recursive: true }))

const request: CaptureRequest = {
  version: 1,
  device: 'eth0',
  filter: '',
  snapshotLength: 1000,
  promiscuous: false,
  packets: 3,
  bytes: 1e6,
  seconds: 5,
}

/** A device on which the same packet comes for ever. */
const endless: typeof openPacketSource = (name) => ({
  name,
  index: 1,
  sampleRate: 1,
  isAway: false,
  speed: () => 0,
  next(into) {
    into.bytes = new Uint8Array(60).fill(5)
    into.view = new DataView(into.bytes.buffer)
    into.count = 1
    into.offset[0] = 0
    into.captured[0] = into.original[0] = 60
    into.seconds[0] = 1_700_000_000
    into.nanos[0] = 123_456_789
    into.linkType[0] = 1
    into.tag[0] = 0
    into.port[0] = 1
    into.direction[0] = 1
    return true
  },
  release: () => undefined,
  lookAfter: () => undefined,
  counts: () => ({ packets: 9, drops: 2 }),
  trouble: () => '',
  fanoutGroup: 0,
  end: () => undefined,
  close: () => undefined,
})

describe('a server of captures', () => {
  const said: string[] = []
  let server: CaptureServer
  before(async () => {
    server = createCaptureServer(
      {
        host: '127.0.0.1',
        port: 0,
        key,
        devices: ['eth0'],
        most: { bytes: 1e6, seconds: 5, snapshotLength: 1000, captures: 1 },
      },
      {
        clock: { now: () => Date.now() },
        openSource: endless,
        program: 'a program',
        say: (sentence) => void said.push(sentence),
      },
    )
    await server.start()
  })
  after(() => server.stop())

  /** Sends the bytes and answers all that comes back: kinds of frames, and the first body. */
  async function answerTo(bytes: Uint8Array): Promise<{ kinds: number[]; first: unknown }> {
    const settings = { ...TLS_SETTINGS, checkServerIdentity: () => undefined }
    const socket = connect({
      ...settings,
      host: '127.0.0.1',
      port: server.port,
      pskCallback: () => ({ psk: key, identity: 'me\nyou' }),
    })
    const frames = new FrameReader()
    const kinds: number[] = []
    let first: unknown
    socket.on('error', () => undefined)
    socket.on('data', (piece: Buffer) => {
      frames.window.append(piece)
      while (frames.next()) {
        kinds.push(frames.kind)
        const body = frames.json()
        first ??= body
      }
    })
    await once(socket, 'secureConnect')
    // What follows nothing ends the connection, too
    socket.end(bytes)
    await once(socket, 'close')
    return { kinds, first }
  }

  test('refuses what is no request, whatever it is, and goes on serving', async () => {
    const strange = { message: 'this is no request for a capture that this probe understands' }
    const wrong: readonly Uint8Array[] = [
      jsonFrame(FRAME.request, { ...request, version: 2 }),
      jsonFrame(FRAME.counts, request),
      Buffer.concat([frameHead(FRAME.request, 3), Buffer.from('[1}')]),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]
    for (const bytes of wrong) assert.deepEqual(await answerTo(bytes), { kinds: [FRAME.refused], first: strange })
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 4, maxLength: 300 }), async (bytes) => {
        const { kinds } = await answerTo(bytes)
        assert.ok(kinds.length === 0 || kinds[0] === FRAME.refused)
      }),
      { numRuns: 20 },
    )
    const { kinds } = await answerTo(
      jsonFrame(FRAME.request, { version: 1, device: 'eth0', filter: 7, packets: 'many', bytes: -1, seconds: 1e99 }),
    )
    assert.equal(kinds[0], FRAME.accepted)
    assert.ok(said.some((line) => line.startsWith('capture refused to me?you at 127.0.0.1: this is no request')))
  })

  test('sends the packets that were asked for, with their times and ways, and what it counted', async () => {
    const source = await openRemoteSource({ host: '127.0.0.1', port: server.port, key, who: 'me' }, request)
    const block = createPacketBlock()
    let count = 0
    while (source.over === undefined) {
      if (!source.next(block)) {
        await new Promise((resolve) => setImmediate(resolve))
        continue
      }
      for (let i = 0; i < block.count; i++, count++) {
        const at = block.offset[i] as number
        assert.deepEqual([...block.bytes.subarray(at, at + (block.captured[i] as number))], Array<number>(60).fill(5))
        assert.deepEqual(
          [block.seconds[i], block.nanos[i], block.direction[i], block.linkType[i]],
          [1_700_000_000, 123_456_789, 1, 1],
        )
      }
      source.release()
    }
    source.close()
    assert.equal(count, 3)
    assert.equal(source.over, 'by the probe, after as many packets as were asked for')
    assert.deepEqual(source.counts(), { packets: 9, drops: 2 })
    assert.equal(source.interfaceOf(0).name, 'eth0')
  })
})

test('who says nothing is given up, and keeps a server from neither serving nor ending', async (t) => {
  const newServer = (handshakeMs: number): CaptureServer =>
    createCaptureServer(
      {
        host: '127.0.0.1',
        port: 0,
        key,
        devices: ['eth0'],
        most: { bytes: 1e6, seconds: 5, snapshotLength: 1000, captures: 1 },
        handshakeMs,
      },
      { clock: { now: () => Date.now() }, openSource: endless, program: 'a program', say: () => undefined },
    )
  const impatient = newServer(1500)
  await impatient.start()
  t.after(() => impatient.stop())
  // As many as it takes at all
  const silent = Array.from({ length: 9 }, () => connectTcp(impatient.port, '127.0.0.1').resume())
  await Promise.all(silent.map((socket) => once(socket, 'close')))
  const source = await openRemoteSource({ host: '127.0.0.1', port: impatient.port, key, who: 'me' }, request)
  source.close()

  const patient = newServer(60_000)
  await patient.start()
  const other = connectTcp(patient.port, '127.0.0.1').resume()
  await once(other, 'connect')
  const gone = once(other, 'close')
  await patient.stop()
  await gone
})

test('a filter for a probe has no names in it, for which the probe would have to wait', async (t) => {
  const server = createCaptureServer(
    {
      host: '127.0.0.1',
      port: 0,
      key,
      devices: ['eth0'],
      most: { bytes: 1e6, seconds: 5, snapshotLength: 1000, captures: 1 },
    },
    { clock: { now: () => Date.now() }, openSource: endless, program: 'a program', say: () => undefined },
  )
  await server.start()
  t.after(() => server.stop())
  const ask = (filter: string): Promise<RemoteSource> =>
    openRemoteSource({ host: '127.0.0.1', port: server.port, key, who: 'me' }, { ...request, filter })
  await assert.rejects(
    ask('tcp and host web1'),
    /refuses: the packet filter “tcp and host web1” is wrong, or has a name in it .*\n {2}tcp and host web1\n {15}\^{4}$/,
  )
  const source = await ask('tcp and host 10.0.0.1')
  source.close()
})

describe('a client of captures', () => {
  const accepted = jsonFrame(FRAME.accepted, { device: 'eth0' })
  const told = jsonFrame(FRAME.interface, { name: 'eth0', linkType: 1 })

  async function withServer(answer: Uint8Array, use: (source: Promise<RemoteSource>) => Promise<void>): Promise<void> {
    const sockets: TLSSocket[] = []
    const server: Server = createServer({ ...TLS_SETTINGS, pskCallback: () => key }, (socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end(answer))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    try {
      await use(openRemoteSource({ host: '127.0.0.1', port, key, who: 'me' }, request))
    } finally {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }

  /** Reads up to the end; answers its reason. */
  async function readAll(opened: Promise<RemoteSource>): Promise<string> {
    const source = await opened
    const block = createPacketBlock(4)
    while (source.over === undefined) {
      if (!source.next(block)) await new Promise((resolve) => setImmediate(resolve))
      else {
        for (let i = 0; i < block.count; i++)
          assert.ok((block.offset[i] as number) + (block.captured[i] as number) <= block.bytes.length)
        source.release()
      }
    }
    source.close()
    return source.over
  }

  test('says so when the other side is no probe, or refuses', async () => {
    await withServer(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), (source) =>
      assert.rejects(source, /is no probe of a kind that is understood/),
    )
    await withServer(Buffer.alloc(0), (source) => assert.rejects(source, /ended the connection/))
    await withServer(jsonFrame(FRAME.refused, { message: 'not \u001b[31mtoday' }), (source) =>
      assert.rejects(source, /refuses: not \?\[31mtoday$/),
    )
  })

  test('ends with a sentence at what is no packet', async () => {
    const packet = (body: Uint8Array): Uint8Array =>
      Buffer.concat([accepted, told, frameHead(FRAME.packets, body.length), body])
    await withServer(packet(Buffer.alloc(40)), async (source) =>
      assert.equal(await readAll(source), 'because the probe sent what is no packet'),
    )
    await withServer(Buffer.concat([accepted, Buffer.from([99, 0, 0, 1, 5])]), async (source) =>
      assert.equal(await readAll(source), 'because the probe sent what can’t be understood'),
    )
    await withServer(Buffer.concat([accepted, told]), async (source) =>
      assert.match(await readAll(source), /^because the connection to the probe broke/),
    )
    // A block that is right but for the fields that are drawn
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ minLength: 28, maxLength: 28 }),
        fc.subarray([0, 4, 8, 20], { minLength: 1 }),
        async (random, fields) => {
          const block = Buffer.alloc(64)
          block.writeUInt32LE(6, 0)
          block.writeUInt32LE(64, 4)
          block.writeUInt32LE(32, 20)
          for (const at of fields) block.set(random.subarray(at, at + 4), at)
          await withServer(packet(block), async (source) => assert.match(await readAll(source), /^because /))
        },
      ),
      { numRuns: 20 },
    )
  })
})

describe('the secret of captures', () => {
  const file = (name: string, text: string, mode: number): string => {
    writeFileSync(join(folder, name), text)
    chmodSync(join(folder, name), mode)
    return join(folder, name)
  }

  test('is read from a file that others can’t read, and has to be long enough', () => {
    const one = readCaptureKey(file('one', 'sixteen letters!\n', 0o640))
    assert.equal(one.length, 32)
    assert.deepEqual(readCaptureKey(file('same', '  sixteen letters!  ', 0o600)), one)
    assert.notDeepEqual(readCaptureKey(file('other', 'sixteen letters?', 0o600)), one)
    assert.throws(() => readCaptureKey(file('open', 'sixteen letters!', 0o644)), /can be read or changed by anybody/)
    assert.throws(() => readCaptureKey(file('short', 'fifteen letters', 0o600)), /has 15 letters: expected 16 or more/)
    assert.throws(
      () => readCaptureKey(join(folder, 'none')),
      (error: unknown) => error instanceof UserError && /ENOENT/.test(error.message),
    )
  })
})
