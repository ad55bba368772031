// The configurations of the Virtual Probe's own guide are accepted as they stand.

import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseProbeConfig } from '../../src/probe/config.ts'
import { CAPTURES } from './pdml.ts'

const SEEDS = join(CAPTURES, '../seeds')

test('the four configurations of the guide are right, with the ports that they list', () => {
  assert.ok(existsSync(SEEDS), `${SEEDS} holds the guide`)
  const guide = readdirSync(SEEDS).find((name) => name.startsWith('000_')) as string
  const text = readFileSync(join(SEEDS, guide), 'utf8')
  const parsed = [...text.matchAll(/^sflow \{.*?^\}/gms)].map(([source]) => parseProbeConfig(source))
  assert.deepEqual(
    parsed.map(({ problems }) => problems),
    [[], [], [], []],
  )
  assert.deepEqual(
    parsed.map(({ config }) => config?.switches.map(({ device, ports }) => `${device} ${ports.length}`)),
    [['eth0 3'], ['eth0 3'], ['eth0 3', 'eth1 3'], ['xenbr0 3', 'xenbr1 3']],
  )
  assert.deepEqual([parsed[1]?.config?.firstIfIndex, parsed[1]?.config?.firstSubAgentId], [100, 1])
})
