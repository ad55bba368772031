import { describe, test } from 'node:test'
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { ipfix, set, template } from '../../test/fixtures/netflow-messages.ts'
import { MessageFramer } from './tcp-frames.ts'

const message = (n: number): Uint8Array =>
  ipfix({ sequence: n }, ...Array.from({ length: n % 5 }, () => set(2, template(256, [[8, 4]]))))

function feed(pieces: readonly Uint8Array[]): { messages: string[]; right: boolean; pending: number } {
  const framer = new MessageFramer()
  const messages: string[] = []
  let right = true
  for (const piece of pieces) {
    right &&= framer.push(piece, (view, offset, length) =>
      messages.push(Buffer.from(view.buffer, view.byteOffset + offset, length).toString('hex')),
    )
  }
  return { messages, right, pending: framer.pending }
}

function cut(whole: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (whole.length + 1)), whole.length].toSorted((a, b) => a - b)
  return sorted.slice(1).map((end, i) => whole.slice(sorted[i], end))
}

describe('the messages of a stream', () => {
  test('are the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 6 }), fc.array(fc.nat(400)), (numbers, places) => {
        const messages = numbers.map(message)
        const found = feed(cut(Buffer.concat(messages), places))
        assert.deepEqual(found, {
          messages: messages.map((one) => Buffer.from(one).toString('hex')),
          right: true,
          pending: 0,
        })
      }),
    )
  })

  test('may be as long as a length can say', () => {
    const long = new Uint8Array(65_535)
    long.set([0, 10, 0xff, 0xff])
    for (const pieces of [[long], cut(long, [1, 3, 5, 40_000])]) {
      const { messages, pending } = feed(pieces)
      assert.deepEqual([messages[0]?.length, pending], [2 * 65_535, 0])
    }
  })

  test('end where something else comes', () => {
    const good = message(3)
    for (const bad of [
      [0, 9, 0, 20],
      [0, 10, 0, 15],
      [0x16, 3, 1, 2],
    ]) {
      const whole = Uint8Array.of(...good, ...bad, 1, 2, 3)
      for (const pieces of [[whole], [...whole].map((byte) => Uint8Array.of(byte))]) {
        const { messages, right } = feed(pieces)
        assert.deepEqual([messages.length, right], [1, false])
      }
    }
  })

  test('of any bytes at all are read without a throw, and no more is held than one message', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (pieces) => {
        const start = Uint8Array.of(0, 10, 0, 40)
        assert.ok(feed([start, ...pieces]).pending < 65_536)
        feed(pieces)
      }),
    )
  })

  test('that are not yet whole are known to be pending', () => {
    assert.equal(feed([message(3).slice(0, 9)]).pending, 9)
  })
})
