// Plain JavaScript without packages, so that any Node from 20 on can run it on a fresh clone.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const pinnedNode = join(root, 'node_modules', 'node', 'bin', 'node')

/** Names of the packages of the lock file that node_modules does not hold in their version. */
function missingPackages() {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
  const missing = []
  for (const [path, entry] of Object.entries(lock.packages)) {
    if (!path.startsWith('node_modules/') || entry.link || entry.optional) continue
    const file = join(root, path, 'package.json')
    if (!existsSync(file) || JSON.parse(readFileSync(file, 'utf8')).version !== entry.version) missing.push(path)
  }
  if (!existsSync(pinnedNode)) missing.push('node_modules/node/bin/node')
  return missing
}

/** Installs what package-lock.json names and node_modules lacks. Ends the process with status 1 if it can't. */
export function ensureInstalled() {
  if (missingPackages().length === 0) return
  // `npm install --no-save` mends what is there; only an empty folder is worth `npm ci`, which starts from nothing.
  const fresh = !existsSync(join(root, 'node_modules', 'node'))
  process.stderr.write('Installing the packages that package-lock.json names; this is done once, and takes a minute.\n')
  const args = [
    ...(fresh ? ['ci'] : ['install', '--no-save']),
    '--include=dev',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ]
  const { status, error } = spawnSync('npm', args, { cwd: root, stdio: ['ignore', 2, 2], env: withoutPinnedNode() })
  if (status === 0) {
    const missing = missingPackages()
    if (missing.length === 0) return
    process.stderr.write(`vnetscope: npm ended well, but these are missing: ${missing.join(', ')}\n`)
  } else if (error) {
    process.stderr.write(`vnetscope: npm can't be started (${error.message}); install Node 20 or later with its npm\n`)
  } else {
    process.stderr.write(`vnetscope: npm ${args[0]} failed (status ${status}); what it said stands above\n`)
  }
  process.exit(1)
}

/** The environment without npm's own additions: the Node that installs must not be the one that is being replaced. */
function withoutPinnedNode() {
  const env = { ...process.env }
  env.PATH = (env.PATH ?? '')
    .split(':')
    .filter((part) => !part.includes('node_modules'))
    .join(':')
  for (const name of Object.keys(env))
    if (/^npm_(lifecycle|package|command|execpath|node_execpath)/.test(name)) delete env[name]
  return env
}
