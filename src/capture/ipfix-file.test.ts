import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import { ipfix, SECONDS, set, template, u32 } from '../../test/fixtures/netflow-messages.ts'
import { isIpfixFile, readIpfixFile } from './ipfix-file.ts'

const FIRST = ipfix({ seconds: SECONDS }, set(2, template(256, [[1, 4]])))
const SECOND = ipfix({ seconds: SECONDS + 5 }, set(256, u32(7)))

async function read(pieces: readonly Uint8Array[]): Promise<{ messages: unknown[]; problems: string[] }> {
  const problems: string[] = []
  const messages: unknown[] = []
  async function* source(): AsyncGenerator<Uint8Array, void, void> {
    yield* pieces
  }
  for await (const { at, bytes } of readIpfixFile(source(), (code, offset) => problems.push(`${code} ${offset}`)))
    messages.push([at, Buffer.from(bytes).toString('hex')])
  return { messages, problems }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const BOTH = [
  [SECONDS * 1000, hex(FIRST)],
  [(SECONDS + 5) * 1000, hex(SECOND)],
]

describe('an IPFIX file', () => {
  test('is known by its first message', () => {
    assert.equal(isIpfixFile(FIRST), true)
    assert.equal(isIpfixFile(Uint8Array.of(0, 10, 0, 15)), false)
    assert.equal(isIpfixFile(Uint8Array.of(0x0a, 0x0d, 0x0d, 0x0a)), false)
    assert.equal(isIpfixFile(Uint8Array.of(0, 10)), false)
  })

  test('is its messages with the times of their headers, in whatever pieces it is read', async () => {
    const whole = Buffer.concat([FIRST, SECOND])
    assert.deepEqual(await read([whole]), { messages: BOTH, problems: [] })
    assert.deepEqual(await read([...whole].map((byte) => Uint8Array.of(byte))), { messages: BOTH, problems: [] })
  })

  test('that ends within a message, or goes on with something else, is read up to there', async () => {
    const cut = Buffer.concat([FIRST, SECOND]).subarray(0, -1)
    assert.deepEqual(await read([cut]), { messages: BOTH.slice(0, 1), problems: [`truncated ${FIRST.length}`] })
    const headless = Buffer.concat([FIRST, SECOND.subarray(0, 9)])
    assert.deepEqual(await read([headless]), { messages: BOTH.slice(0, 1), problems: [`truncated ${FIRST.length}`] })
    const other = Buffer.concat([FIRST, Buffer.alloc(40)])
    assert.deepEqual(await read([other]), { messages: BOTH.slice(0, 1), problems: [`bad_length ${FIRST.length}`] })
  })
})
