// `npm run build`: what `npm pack` ships: the sources as JavaScript with types (dist/), and the console (web/dist).
// Nothing here is needed to run from a clone: sources run as they are.

import { spawnSync } from 'node:child_process'
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
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
  for (const name of readdirSync(dist, { recursive: true }))
    if (name.endsWith('.d.ts')) rewriteImports(join(dist, name))
  // Tables that modules read from beside them.
  for (const name of readdirSync(join(root, 'src'), { recursive: true }))
    if (name.endsWith('.br')) copyFileSync(join(root, 'src', name), join(dist, name))
}

/** tsc rewrites the endings of imports in JavaScript alone; compilers before 5.7 look for them in types as they stand. */
function rewriteImports(file) {
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replaceAll(/(\bfrom |\bimport\()(['"])(\.[^'"]*)\.ts\2/g, '$1$2$3.js$2'))
}

ensureInstalled()
compile()
ensureConsole({ force: process.argv.includes('--force') })
