// `npm run fuzz`: mutated datagrams and packets through everything that reads them. Ten million by default, from our own inputs and, if
// VNETSCOPE_CAPTURES names a folder of captures, from those. The same seed gives the same inputs.

import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzzWatched } from '../test/fuzz/watched.ts'

const { values } = parseArgs({
  options: {
    iterations: { type: 'string', default: '10000000' },
    seconds: { type: 'string', default: '0' },
    seed: { type: 'string', default: '1' },
  },
})
/** One input may take so long, other programs on the machine included. */
const SLOW_MS = 2_000
const MOST_GROWTH = 32 * 2 ** 20

const root = resolve(import.meta.dirname, '..')
const folder = resolve(root, process.env['VNETSCOPE_CAPTURES'] ?? '../shared/captures')
const captures = existsSync(folder) ? { captures: folder } : {}
const options = {
  seed: Number(values.seed),
  iterations: Number(values.iterations),
  seconds: Number(values.seconds),
  ...captures,
}

const result = await fuzzWatched(options, (executions) => {
  if (process.stderr.isTTY) process.stderr.write(`\r${executions.toLocaleString('en')} executions `)
})
if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
const { executions, seconds, inputs, slowest, grown, failures } = result
console.log(
  `${executions.toLocaleString('en')} executions from ${inputs} inputs in ${seconds.toFixed(1)} s, ${Math.round(executions / seconds).toLocaleString('en')}/s, seed ${options.seed}`,
)
console.log(
  `slowest input ${slowest.ms.toFixed(1)} ms (${slowest.target}), memory grew by ${(grown / 2 ** 20).toFixed(1)} MB`,
)
for (const { target, execution, error, hex } of failures)
  console.log(`\nFAILED ${target}, execution ${execution}\n${error}\ninput ${hex}`)
if (slowest.ms > SLOW_MS) console.log(`\nTOO SLOW ${slowest.target}\ninput ${slowest.hex}`)
if (grown > MOST_GROWTH) console.log('\nMEMORY GREW')
process.exitCode = failures.length > 0 || slowest.ms > SLOW_MS || grown > MOST_GROWTH ? 1 : 0
