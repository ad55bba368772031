// `npm run fuzz:coverage`: as `npm run fuzz`, but inputs that reach code not reached before are kept and mutated further. Coverage is
// V8's own, of blocks, through node:inspector: it counts in the code as it runs, with no instrumented copy of it.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fuzzByCoverage } from '../test/fuzz/coverage.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    /** Folder to which inputs that reached something new are written, and from which they are read at the start. */
    keep: { type: 'string' },
  },
})

const root = resolve(import.meta.dirname, '..')
const folder = resolve(root, process.env['VNETSCOPE_CAPTURES'] ?? '../shared/captures')
const kept: { of: string; bytes: Uint8Array }[] = []
if (values.keep !== undefined) {
  mkdirSync(values.keep, { recursive: true })
  for (const name of readdirSync(values.keep)) {
    const [of] = name.split('-')
    kept.push({ of: of as string, bytes: readFileSync(join(values.keep, name)) })
  }
}

const result = await fuzzByCoverage({
  seed: Number(values.seed),
  seconds: Number(values.seconds),
  ...(existsSync(folder) ? { captures: folder } : {}),
  kept,
})
console.log(
  `${result.executions.toLocaleString('en')} executions in ${result.seconds.toFixed(0)} s; ${result.blocks} of ${result.known} blocks reached, ${result.blocks - result.blocksAtStart} of them by ${result.found.length} new inputs`,
)
for (const { path, reached, blocks, open } of result.files)
  console.log(
    `${String(reached).padStart(5)}/${String(blocks).padEnd(5)} ${path}${open.length > 0 ? `  not: ${open.join(' ')}` : ''}`,
  )
if (values.keep !== undefined) {
  for (const [i, { of, bytes }] of result.found.entries())
    writeFileSync(join(values.keep, `${of}-${values.seed}-${i}`), bytes)
}
for (const { target, error, hex } of result.failures) console.log(`\nFAILED ${target}\n${error}\ninput ${hex}`)
process.exitCode = result.failures.length > 0 ? 1 : 0
