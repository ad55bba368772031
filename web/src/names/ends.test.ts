import assert from 'node:assert/strict'
import { test } from 'node:test'
import { endsOf } from './ends.ts'

const row = (key: Record<string, string>, bytes: number) => ({ key, bytes, packets: 0, flows: 0, low: 0, high: 0 })

test('what a machine sends and receives stands in one row, the busiest first', () => {
  const ends = endsOf(
    { rows: [row({ src_vm: 'a' }, 10), row({ src_vm: 'b' }, 5), row({ src_vm: '' }, 100)] },
    { rows: [row({ dst_vm: 'b' }, 9), row({ dst_vm: 'c' }, 1)] },
    {
      rows: [
        row({ src_vm: 'a', dst_vm: 'b' }, 9),
        row({ src_vm: 'b', dst_vm: 'a' }, 1),
        row({ src_vm: 'a', dst_vm: 'c' }, 1),
        row({ src_vm: '', dst_vm: 'a' }, 1),
      ],
    },
    'src_vm',
    'dst_vm',
  )
  assert.deepEqual(ends, [
    { name: 'b', out: 5, in: 9, peers: 1 },
    { name: 'a', out: 10, in: 0, peers: 2 },
    { name: 'c', out: 0, in: 1, peers: 1 },
  ])
})
