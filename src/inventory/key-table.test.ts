import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KeyTable } from './key-table.ts'

test('keys are found, replaced and forgotten as a map would, while the table grows', () => {
  const table = new KeyTable(4, 8)
  const map = new Map<number, number>()
  const words = new Uint32Array(4)
  let seed = 1
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((seed / 2 ** 32) * below)
  }
  for (let i = 0; i < 50_000; i++) {
    const key = random(5_000)
    words.set([0, 0, 0xffff0000, Math.imul(key, 0x01000001)])
    if (random(3) === 0) {
      table.forget(words, 0)
      map.delete(key)
    } else {
      table.set(words, 0, i)
      map.set(key, i)
    }
    assert.equal(table.find(words, 0), map.get(key) ?? -1)
  }
  for (let key = 0; key < 5_000; key++) {
    words.set([0, 0, 0xffff0000, Math.imul(key, 0x01000001)])
    assert.equal(table.find(words, 0), map.get(key) ?? -1)
  }
})
