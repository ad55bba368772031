// Captures of what a Linux packet filter logged: the IP packets in them are those that tshark finds.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ipText } from '../../src/base/address.ts'
import { readCaptureFile } from '../../src/capture/capture-file.ts'
import { run } from '../interop/processes.ts'
import { CAPTURES } from './pdml.ts'

const DIRECTORY = join(CAPTURES, 'packets')
const FIELDS = ['nflog.ifindex_indev', 'nflog.ifindex_outdev', 'ip.src', 'ip.dst', 'ip.id', 'ip.len']

async function ours(file: string): Promise<string[]> {
  const packets: string[] = []
  for await (const block of readCaptureFile(file, assert.fail)) {
    for (let i = 0; i < block.count; i++) {
      const at = (block.offset[i] as number) + (block.linkType[i] === 1 ? 14 : 0)
      const { view } = block
      const isIp = block.linkType[i] !== 239
      const port = String(block.port[i])
      const address = (from: number): string => ipText(mapped(block.bytes.subarray(from, from + 4)))
      packets.push(
        (isIp
          ? [
              block.direction[i] === 0 ? port : '',
              block.direction[i] === 1 ? port : '',
              address(at + 12),
              address(at + 16),
              `0x${view
                .getUint16(at + 4)
                .toString(16)
                .padStart(4, '0')}`,
              String(view.getUint16(at + 2)),
            ]
          : ['', '', '', '', '', '']
        ).join('\t'),
      )
    }
  }
  return packets
}

function mapped(four: Uint8Array): Uint8Array {
  return Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...four)
}

for (const name of readdirSync(DIRECTORY).filter((file) => /nflog.*\.pcap$/.test(file)))
  test(`${name} holds the packets that tshark finds in it`, async () => {
    const file = join(DIRECTORY, name)
    const theirs = run('tshark', ['-r', file, '-T', 'fields', ...FIELDS.flatMap((field) => ['-e', field])])
    assert.deepEqual(await ours(file), theirs.replace(/\n$/, '').split('\n'))
  })
