import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { growthOf } from './soak/memory.ts'

const MEGABYTE = 2 ** 20
/** A program of 100 MiB whose collector of garbage lets it saw up and down, and that warms up at first. */
const healthy = Array.from({ length: 3600 }, (_, i) => (Math.min(100, 40 + i) + ((i * 7) % 20)) * MEGABYTE)

describe('the memory of a program that is soaked', () => {
  test('does not grow because it warms up, saws, or has a peak', () => {
    const peaked = healthy.map((bytes, i) => (i > 3500 ? bytes + 300 * MEGABYTE : bytes))
    for (const samples of [healthy, peaked]) {
      const { grown, allowed } = growthOf(samples)
      assert.ok(grown < allowed, `${grown / MEGABYTE} MiB`)
    }
  })

  test('grows where each second leaves 10 KiB, whatever it saws', () => {
    const { grown, allowed } = growthOf(healthy.map((bytes, i) => bytes + i * 10 * 1024))
    assert.ok(grown > allowed)
    assert.ok(Math.abs(grown - 2400 * 10 * 1024) < 2 * MEGABYTE, `${grown / MEGABYTE} MiB`)
  })
})
