import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createPacketBlock, type PacketBlock } from '../capture/packet-block.ts'
import { readPacketBlocks } from '../capture/pcap-file.ts'
import type { Chunk } from './packet-blocks.ts'
import { createRecorder, type Recorder, type RecorderConfig, type RecordingOutput } from './recorder.ts'

interface Packet {
  readonly seconds: number
  readonly nanos: number
  readonly bytes: Uint8Array
  readonly original: number
  readonly tag: number
  readonly port: number
  readonly sent: boolean
}

function blockOf(packets: readonly Packet[]): PacketBlock {
  const block = createPacketBlock(Math.max(1, packets.length))
  const bytes = new Uint8Array(packets.reduce((sum, packet) => sum + packet.bytes.length, 3))
  let at = 3
  for (const [i, packet] of packets.entries()) {
    bytes.set(packet.bytes, at)
    block.offset[i] = at
    block.captured[i] = packet.bytes.length
    block.original[i] = packet.original
    block.seconds[i] = packet.seconds
    block.nanos[i] = packet.nanos
    block.linkType[i] = 1
    block.tag[i] = packet.tag
    block.port[i] = packet.port
    block.direction[i] = packet.sent ? 1 : 0
    at += packet.bytes.length
  }
  block.bytes = bytes
  block.view = new DataView(bytes.buffer)
  block.count = packets.length
  return block
}

/** Files as they would be written; `open` lets chunks through. */
function inMemory(open: () => Promise<void> = () => Promise.resolve()): RecordingOutput & { files: Buffer[] } {
  const files: Buffer[] = []
  return {
    files,
    unwritten: 0,
    get bytes() {
      return files.reduce((sum, file) => sum + file.length, 0)
    },
    async write(chunk: Chunk) {
      await open()
      if (chunk.beginsFile) files.push(Buffer.alloc(0))
      const parts = [files.pop() as Buffer, chunk.prelude, chunk.bytes.subarray(0, chunk.length), chunk.epilogue]
      files.push(Buffer.concat(parts))
    },
    close: () => Promise.resolve(),
  }
}

const UNBOUNDED = { packets: Infinity, bytes: Infinity, fileBytes: Infinity, fileSeconds: Infinity }

function recorderTo(output: RecordingOutput, config: Partial<RecorderConfig> = {}): Recorder {
  return createRecorder(
    {
      section: { application: 'a program', system: 'a system', hardware: '', comment: '' },
      snapshotLength: 262_144,
      knowsInbound: true,
      bounds: UNBOUNDED,
      ...config,
    },
    {
      output,
      clock: { now: () => Date.UTC(2026, 0, 5) },
      interfaceOf: (port, linkType) => ({
        linkType,
        snapshotLength: 262_144,
        name: `eth${port}`,
        filter: '',
        speed: 0,
        system: '',
        description: '',
      }),
      counts: () => ({ port: 0, received: 7, dropped: 1 }),
    },
  )
}

async function all(recorder: Recorder, block: PacketBlock, seconds = 0): Promise<void> {
  for (let at = 0; ;) {
    at = recorder.take(block, at, seconds)
    if (at === block.count || recorder.reached !== undefined) return
    await recorder.ready()
  }
}

async function read(file: Uint8Array): Promise<Packet[]> {
  const names: string[] = []
  const packets: Packet[] = []
  async function* source(): AsyncGenerator<Uint8Array> {
    yield file
  }
  const problem = (code: string, at: number): never => assert.fail(`${code} at ${at}`)
  const blocks = readPacketBlocks(source(), problem, { interfaceFound: (_port, name) => void names.push(name) })
  for await (const block of blocks)
    for (let i = 0; i < block.count; i++) {
      const from = block.offset[i] as number
      packets.push({
        seconds: block.seconds[i] as number,
        nanos: block.nanos[i] as number,
        bytes: new Uint8Array(block.bytes.subarray(from, from + (block.captured[i] as number))),
        original: block.original[i] as number,
        tag: 0,
        port: Number((names[block.port[i] as number] as string).slice(3)),
        sent: block.direction[i] === 1,
      })
    }
  return packets
}

const anyPacket: fc.Arbitrary<Packet> = fc.record({
  seconds: fc.integer({ min: 0, max: 2 ** 33 }),
  nanos: fc.integer({ min: 0, max: 999_999_999 }),
  bytes: fc.uint8Array({ maxLength: 200 }),
  original: fc.integer({ min: 200, max: 70_000 }),
  tag: fc.constant(0),
  port: fc.integer({ min: 0, max: 3 }),
  sent: fc.boolean(),
})

const plain = (n: number, length = 100): Packet => ({
  seconds: 1_700_000_000 + n,
  nanos: n,
  bytes: new Uint8Array(length).fill(n),
  original: length,
  tag: 0,
  port: 0,
  sent: false,
})
const many = (count: number, length = 100): Packet[] => Array.from({ length: count }, (_, n) => plain(n, length))

describe('a recording', () => {
  test('is read as the packets that were put into it, to the nanosecond', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyPacket, { minLength: 1, maxLength: 20 }), async (packets) => {
        const output = inMemory()
        const recorder = recorderTo(output)
        await all(recorder, blockOf(packets))
        await recorder.end('')
        assert.deepEqual(
          await read(output.files[0] as Buffer),
          packets.map((packet) => ({ ...packet })),
        )
      }),
      { numRuns: 60 },
    )
  })

  test('has VLAN tags where they were, and no more than the snapshot length', async () => {
    const output = inMemory()
    const recorder = recorderTo(output, { snapshotLength: 64 })
    const bytes = Uint8Array.from({ length: 62 }, (_, n) => n)
    await all(
      recorder,
      blockOf([
        { ...plain(0), bytes, original: 66, tag: 0x88a80abc },
        { ...plain(1), bytes: bytes.subarray(0, 10), original: 66, tag: 0x81000001 },
      ]),
    )
    await recorder.end('')
    const [tagged, cut] = await read(output.files[0] as Buffer)
    assert.deepEqual(
      [...(tagged?.bytes ?? [])],
      [...bytes.subarray(0, 12), 0x88, 0xa8, 0x0a, 0xbc, ...bytes.subarray(12, 60)],
    )
    assert.equal(tagged?.original, 66)
    assert.deepEqual(cut?.bytes, bytes.slice(0, 10))
  })

  test('ends at a number of packets, and before it would be too large', async () => {
    const few = inMemory()
    const counted = recorderTo(few, { bounds: { ...UNBOUNDED, packets: 5 } })
    await all(counted, blockOf(many(9)))
    await counted.end('')
    assert.equal(counted.reached, 'packets')
    assert.equal((await read(few.files[0] as Buffer)).length, 5)

    const small = inMemory()
    const bounded = recorderTo(small, { bounds: { ...UNBOUNDED, bytes: 20_000, fileBytes: 6000 } })
    await all(bounded, blockOf(many(500)))
    await bounded.end('')
    assert.equal(bounded.reached, 'bytes')
    const sizes = small.files.map((file) => file.length)
    assert.ok(sizes.every((size) => size <= 6000) && small.bytes <= 20_000, String(sizes))
    assert.ok(small.bytes > 17_000)
  })

  test('goes on in another file with the packet that has no room, and loses none', async () => {
    const output = inMemory()
    const recorder = recorderTo(output, { bounds: { ...UNBOUNDED, fileBytes: 50_000 } })
    const packets = many(20_000)
    await all(recorder, blockOf(packets))
    await recorder.end('')
    const back = (await Promise.all(output.files.map(read))).flat()
    assert.deepEqual(
      back.map(({ seconds }) => seconds),
      packets.map(({ seconds }) => seconds),
    )
    assert.ok(output.files.every((file) => file.length <= 50_000))
  })

  test('begins another file when one has lasted long enough', async () => {
    const output = inMemory()
    const recorder = recorderTo(output, { bounds: { ...UNBOUNDED, fileSeconds: 60 } })
    for (const [n, seconds] of [3, 40, 62.9, 63, 200, 201].entries()) await all(recorder, blockOf([plain(n)]), seconds)
    await recorder.end('')
    assert.deepEqual(
      (await Promise.all(output.files.map(read))).map((packets) => packets.length),
      [3, 1, 2],
    )
  })

  test('takes only so much while nothing can be written, and goes on after that', async () => {
    let release = (): void => undefined
    const gate = new Promise<void>((resolve) => (release = resolve))
    const output = inMemory(() => gate)
    const recorder = recorderTo(output)
    const block = blockOf(many(100, 60_000))
    const taken = recorder.take(block, 0, 0)
    // Eight pieces of half a megabyte
    assert.ok(taken > 50 && taken <= (8 * 512 * 1024) / 60_000, String(taken))
    assert.equal(recorder.take(block, taken, 0), taken)
    release()
    await recorder.ready()
    for (let at = taken; at < block.count; await recorder.ready()) at = recorder.take(block, at, 0)
    await recorder.end('')
    assert.equal((await read(output.files[0] as Buffer)).length, 100)
  })

  test('says what keeps it from being written', async () => {
    const recorder = recorderTo(inMemory(() => Promise.reject(new Error('the disk is gone'))))
    await all(recorder, blockOf(many(3)))
    recorder.flush()
    await assert.rejects(recorder.settled(), /the disk is gone/)
    await assert.rejects(recorder.ready(), /the disk is gone/)
    assert.equal(recorder.take(blockOf(many(3)), 0, 0), 0)
  })
})
