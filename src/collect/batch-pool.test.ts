import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BatchPool } from './batch-pool.ts'

test('the same batch is used again and again while one is enough', () => {
  const pool = new BatchPool(8, 4)
  const first = pool.take()
  pool.giveBack(first?.id ?? -1)
  assert.equal(pool.take()?.id, first?.id)
  assert.equal(pool.allocated, 1)
})

test('no more batches are lent than the limit', () => {
  const pool = new BatchPool(8, 2)
  assert.ok(pool.take())
  assert.equal(pool.free, 1)
  assert.ok(pool.take())
  assert.equal(pool.free, 0)
  assert.equal(pool.take(), undefined)
})

test('a number that is not lent, or comes back twice, changes nothing', () => {
  const pool = new BatchPool(8, 2)
  const one = pool.take()
  pool.giveBack(99)
  pool.giveBack(one?.id ?? -1)
  pool.giveBack(one?.id ?? -1)
  assert.equal(pool.allocated, 1)
})

test('batches that a burst needed are let go when they lay idle', () => {
  const pool = new BatchPool(8, 4)
  const lent = [pool.take(), pool.take(), pool.take()]
  for (const one of lent) pool.giveBack(one?.id ?? -1)
  assert.deepEqual(pool.shrink(), [], 'they were in use a moment ago')
  assert.equal(pool.shrink().length, 2)
  assert.equal(pool.allocated, 1)
  assert.ok(pool.take() && pool.take() && pool.take() && pool.take(), 'all may be had again')
})
