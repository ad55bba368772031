// `npm run bench`: lists the benchmarks; `npm run bench -- NAME [FLAG…]` runs bench/NAME.ts with the pinned Node.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'

const folder = join(import.meta.dirname, '..', 'bench')
const [name, ...args] = process.argv.slice(2)

if (name === undefined) {
  console.log('Benchmarks, for `npm run bench -- NAME`:')
  for (const file of readdirSync(folder)
    .filter((entry) => entry.endsWith('.ts'))
    .sort()) {
    // What opens with a comment can be run; the rest are parts.
    const first = readFileSync(join(folder, file), 'utf8').split('\n')[0] ?? ''
    if (first.startsWith('// ')) console.log(`  ${file.slice(0, -3).padEnd(16)} ${first.slice(3)}`)
  }
} else if (existsSync(join(folder, `${name}.ts`))) {
  const [cpu] = cpus()
  console.log(
    `# ${cpus().length} × ${cpu?.model.trim() ?? 'unknown processor'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`,
  )
  const { status } = spawnSync(process.execPath, [join(folder, `${name}.ts`), ...args], { stdio: 'inherit' })
  process.exitCode = status ?? 1
} else {
  console.error(`There is no bench/${name}.ts; \`npm run bench\` lists what there is.`)
  process.exitCode = 2
}
