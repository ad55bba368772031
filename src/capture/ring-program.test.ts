import assert from 'node:assert/strict'
import { test } from 'node:test'
import { INSTRUCTION } from './bpf.ts'
import { isTooLong, ringProgram } from './ring-program.ts'

test('a filter as long as the kernel takes is not refused for the sake of keeping headers alone', () => {
  const all = { snapshotLength: 256, sampleRate: 1, headersOnly: true }
  // As libpcap ends its programs: all or nothing of a packet
  const filter = new Uint8Array(4095 * INSTRUCTION)
  new DataView(filter.buffer).setUint16(4094 * INSTRUCTION, 0x06, true)
  const program = ringProgram({ ...all, filter })
  assert.ok(!isTooLong(program))
  assert.deepEqual(program, ringProgram({ ...all, filter, headersOnly: false }))
  const shorter = filter.subarray(1000 * INSTRUCTION)
  assert.ok(ringProgram({ ...all, filter: Uint8Array.from(shorter) }).length > shorter.length + INSTRUCTION)
})
