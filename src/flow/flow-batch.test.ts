import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowBatch } from './flow-batch.ts'

test('a cleared batch has no rows and holds zero bytes alone, however many rows it had', () => {
  for (const rows of [0, 1, 7, 600, 3_000]) {
    const batch = new FlowBatch(3_000)
    for (const column of Object.values(batch))
      if (ArrayBuffer.isView(column)) {
        const bytes = new Uint8Array(column.buffer, column.byteOffset, (column.byteLength / batch.capacity) * rows)
        bytes.fill(0xa5)
      }
    batch.n = rows
    const used = new Uint8Array(batch.buffer).reduce((count, byte) => count + (byte === 0 ? 0 : 1), 0)
    assert.equal(used > 0, rows > 0)
    batch.clear()
    assert.equal(batch.n, 0)
    assert.equal(
      new Uint8Array(batch.buffer).findIndex((byte) => byte !== 0),
      -1,
    )
  }
})
