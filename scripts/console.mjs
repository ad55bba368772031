// Builds the console (web/) if its sources are newer than what was built.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pinnedNode, root } from './install.mjs'

const SOURCES = [
  'web/src',
  'web/public',
  'web/index.html',
  'web/vite.config.ts',
  'web/compress.ts',
  'web/package.json',
  'package-lock.json',
  'src/api/contract',
  'src/query/filter',
  'src/flow/columns.ts',
]
const BUILT = join(root, 'web', 'dist', 'index.html')

function newest(path) {
  if (!existsSync(path)) return 0
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(
    0,
    ...readdirSync(path)
      .filter((name) => !name.includes('.test.'))
      .map((name) => newest(join(path, name))),
  )
}

/** Ends the process with status 1 if it can't be built. */
export function ensureConsole({ force = false } = {}) {
  if (!existsSync(join(root, 'web', 'index.html'))) return
  const upToDate =
    existsSync(BUILT) && statSync(BUILT).mtimeMs >= Math.max(...SOURCES.map((path) => newest(join(root, path))))
  if (upToDate && !force) return
  process.stderr.write('Building the console.\n')
  const vite = join(root, 'node_modules', 'vite', 'bin', 'vite.js')
  const { status } = spawnSync(pinnedNode, [vite, 'build', '--logLevel', 'warn'], {
    cwd: join(root, 'web'),
    stdio: ['ignore', 2, 2],
  })
  if (status === 0) return
  process.stderr.write('vnetscope: the console could not be built; what vite said stands above\n')
  process.exit(1)
}

if (process.argv[1] === join(root, 'scripts', 'console.mjs')) ensureConsole({ force: true })
