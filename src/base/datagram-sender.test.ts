import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { createDatagramSender } from './datagram-sender.ts'

/** A receiver that has everything it got. */
async function receiver(
  address: string,
): Promise<{ port: number; got: Buffer[]; has(n: number): Promise<void>; close(): void }> {
  const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4', recvBufferSize: 8 << 20 })
  const got: Buffer[] = []
  socket.on('message', (message) => got.push(message))
  socket.bind(0, address)
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    got,
    async has(n) {
      while (got.length < n) await once(socket, 'message')
    },
    close: () => void socket.close(),
  }
}

/** Datagrams of all lengths, none like another. */
const DATAGRAMS = Array.from({ length: 700 }, (_, i) => {
  const bytes = Buffer.alloc(4 + ((i * i) % 1400), i)
  bytes.writeUInt32BE(i)
  return bytes
})

describe('a sender of datagrams', () => {
  for (const rate of [Infinity, 20_000])
    test(`sends each to every target, whole and in order, ${rate === Infinity ? 'at once' : 'at a rate'}`, async () => {
      const receivers = [await receiver('127.0.0.1'), await receiver('::1')]
      const sender = await createDatagramSender(
        receivers.map(({ port }, i) => ({ host: i === 0 ? '127.0.0.1' : '::1', port })),
        rate,
      )
      const overwritten = Buffer.alloc(2000)
      for (const [i, bytes] of DATAGRAMS.entries()) {
        bytes.copy(overwritten)
        sender.send(overwritten.subarray(0, bytes.length))
        // Now in bursts that wait for one another, now not
        if (i % 200 === 199) await sender.below(1)
      }
      await sender.below(1)
      assert.equal(sender.flying, 0)
      for (const { has, got } of receivers) {
        await has(DATAGRAMS.length)
        assert.deepEqual(got, DATAGRAMS)
      }
      assert.deepEqual(
        sender.status().map(({ sent, failed }) => [sent, failed]),
        [
          [DATAGRAMS.length, 0],
          [DATAGRAMS.length, 0],
        ],
      )
      sender.close()
      for (const { close } of receivers) close()
    })

  test('counts what can’t be sent, says why, and goes on', async () => {
    const { port, has, got, close } = await receiver('127.0.0.1')
    const sender = await createDatagramSender([{ host: '127.0.0.1', port }])
    sender.send(Buffer.from('before'))
    sender.send(Buffer.alloc(70_000))
    sender.send(Buffer.from('behind'))
    await sender.below(1)
    await has(2)
    assert.deepEqual(got.map(String), ['before', 'behind'])
    const [status] = sender.status()
    assert.deepEqual([status?.sent, status?.failed], [2, 1])
    assert.match(status?.error ?? '', /EMSGSIZE/)
    sender.close()
    close()
  })

  test('names the host that there is none of', async () => {
    await assert.rejects(
      createDatagramSender([{ host: 'no-such-host.invalid', port: 9 }]),
      /there is no host named no-such-host.invalid/,
    )
  })
})
