// `npm run build`: what `npm pack` ships: the sources as JavaScript with types (dist/), and the console (web/dist).
// Nothing here is needed to run from a clone: sources run as they are.

import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ensureConsole } from './console.mjs'
import { ensureInstalled, pinnedNode, root } from './install.mjs'

const dist = join(root, 'dist')

/** Compiles src/ into dist/. Ends the process with status 1 if it can't be. */
function compile() {
  rmSync(dist, { recursive: true, force: true })
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(pinnedNode, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  if (status !== 0) {
    process.stderr.write('vnetscope: the sources could not be compiled; what tsc said stands above\n')
    process.exit(1)
  }
}

ensureInstalled()
compile()
ensureConsole({ force: process.argv.includes('--force') })
