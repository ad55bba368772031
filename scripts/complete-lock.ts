// npm leaves out of package-lock.json the optional packages for other platforms that its registry lacks, and
// then `npm ci` refuses the lock. This adds them, as a registry that has them all would have written them.
//
//   node scripts/complete-lock.ts           completes package-lock.json
//   node scripts/complete-lock.ts --check   says what is missing, status 1 if anything is

import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface LockEntry {
  version?: string
  dev?: boolean
  devOptional?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

export interface Lock {
  packages: Record<string, LockEntry>
}

export interface Missing {
  /** Where in node_modules it belongs. */
  readonly path: string
  readonly entry: LockEntry
}

/** Optional dependencies that no entry of the lock stands for. */
export function missingFrom(lock: Lock): Missing[] {
  const missing: Missing[] = []
  for (const [path, owner] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      if (isResolved(lock, path, name)) continue
      const dev = owner.dev === true || owner.devOptional === true
      missing.push({
        path: `node_modules/${name}`,
        entry: { version, ...platform(name), ...(dev ? { dev } : {}), optional: true },
      })
    }
  }
  return missing
}

/** As Node looks a package up: beside the one that asks, then in each folder above. */
function isResolved(lock: Lock, from: string, name: string): boolean {
  let folder = from
  for (;;) {
    if (lock.packages[`${folder === '' ? '' : `${folder}/`}node_modules/${name}`]) return true
    if (folder === '') return false
    const cut = folder.lastIndexOf('/node_modules/')
    folder = cut < 0 ? '' : folder.slice(0, cut)
  }
}

const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const PROCESSORS: Readonly<Record<string, string>> = {
  arm: 'arm',
  arm64: 'arm64',
  ia32: 'ia32',
  loong64: 'loong64',
  ppc64: 'ppc64',
  riscv64: 'riscv64',
  s390x: 's390x',
  x64: 'x64',
  wasm32: 'wasm32',
}

/** What the name of a prebuilt package says of its platform: `binding-linux-arm64-musl`. */
export function platform(name: string): Pick<LockEntry, 'os' | 'cpu' | 'libc'> {
  const words = name.split(/[-/]/)
  const os = words.find((word) => SYSTEMS.includes(word))
  const cpu = words.map((word) => PROCESSORS[word]).find((word) => word !== undefined)
  const libc = words.some((word) => word.startsWith('musl'))
    ? 'musl'
    : words.some((word) => word.startsWith('gnu'))
      ? 'glibc'
      : undefined
  return { ...(cpu ? { cpu: [cpu] } : {}), ...(libc ? { libc: [libc] } : {}), ...(os ? { os: [os] } : {}) }
}

/** The lock with the missing entries in their alphabetic places. */
export function completed(lock: Lock): Lock {
  const added = Object.fromEntries(missingFrom(lock).map(({ path, entry }) => [path, entry]))
  const packages = Object.entries({ ...lock.packages, ...added }).sort(([a], [b]) => a.localeCompare(b, 'en'))
  return { ...lock, packages: Object.fromEntries(packages) }
}

if (import.meta.main) {
  const file = fileURLToPath(new URL('../package-lock.json', import.meta.url))
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lock
  const missing = missingFrom(lock)
  if (process.argv.includes('--check')) {
    for (const { path } of missing) console.error(`package-lock.json has no entry for ${path}`)
    if (missing.length > 0) {
      console.error('npm ci would refuse it: run `node scripts/complete-lock.ts`')
      process.exitCode = 1
    }
  } else if (missing.length > 0) {
    writeFileSync(file, `${JSON.stringify(completed(lock), null, 2)}\n`)
    console.log(`package-lock.json: ${missing.length} optional packages added`)
  }
}
