// The packed file: what it weighs, what an installation weighs, how long each entry takes to load.
//
//   npm run bench -- package [--runs 15]

import { spawnSync } from 'node:child_process'
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { machineLine } from './machine.ts'
import { reachableFiles } from './package-files.ts'

const { values } = parseArgs({ options: { runs: { type: 'string', default: '15' } } })
const runs = Number(values.runs)
const root = join(import.meta.dirname, '..')
const folder = mkdtempSync(join(tmpdir(), 'vnetscope-package-'))

/** Without what npm and this Node's folder put before the machine's own. */
const env: NodeJS.ProcessEnv = { PATH: (process.env['PATH'] ?? '').replaceAll(/[^:]*node_modules[^:]*:/g, '') }
env['HOME'] = process.env['HOME']

function run(where: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: where, env, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}${stdout}`)
  return stdout
}

/** A file with several names counts once. */
function bytesOf(path: string): number {
  const sizes = new Map<number, number>()
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    const stat = lstatSync(join(path, name))
    if (stat.isFile()) sizes.set(stat.ino, stat.size)
  }
  return [...sizes.values()].reduce((sum, size) => sum + size, 0)
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`
const kilobytes = (bytes: number): string => `${(bytes / 1e3).toFixed(0)} kB`

interface Loading {
  /** Milliseconds from asking for the module to having it, and of the whole process: the fastest of all runs, as others use the machine too. */
  readonly load: number
  readonly whole: number
}

/** Loads a module in processes of its own, with no compile cache. */
function loading(where: string, specifier: string): Loading {
  const asking = specifier === '' ? '' : `await import(${JSON.stringify(specifier)});`
  const script = `const t = performance.now(); ${asking} console.log(performance.now() - t)`
  let load = Number.POSITIVE_INFINITY
  const whole = fastest(() => {
    load = Math.min(load, Number(run(where, process.execPath, '--input-type=module', '-e', script)))
  })
  return { load, whole }
}

function fastest(what: () => void): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    what()
    best = Math.min(best, performance.now() - began)
  }
  return best
}

try {
  run(root, 'npm', 'pack', '--loglevel=error', '--pack-destination', folder)
  const tarball = join(folder, readdirSync(folder).find((name) => name.endsWith('.tgz')) as string)
  const installations = { whole: [], lean: ['--omit=optional', '--ignore-scripts'] }
  for (const [name, flags] of Object.entries(installations)) {
    mkdirSync(join(folder, name))
    writeFileSync(join(folder, name, 'package.json'), '{ "private": true, "type": "module" }')
    run(join(folder, name), 'npm', 'install', '--no-audit', '--prefer-offline', '--loglevel=error', tarball, ...flags)
  }
  const where = join(folder, 'lean')
  const installed = join(where, 'node_modules', 'vnetscope')
  console.log(machineLine())
  console.log(`packed ${megabytes(statSync(tarball).size)}, unpacked ${megabytes(bytesOf(installed))}`)
  console.log(
    `  JavaScript and types ${megabytes(bytesOf(join(installed, 'dist')))}, console ${megabytes(bytesOf(join(installed, 'web')))}`,
  )
  for (const name of Object.keys(installations))
    console.log(`installed ${name} with its dependencies ${megabytes(bytesOf(join(folder, name, 'node_modules')))}`)
  const empty = loading(where, '')
  console.log(`\nentry     files   JavaScript   gzip    load ms   process ms (an empty one: ${empty.whole.toFixed(0)})`)
  for (const entry of ['sflow', 'netflow', 'ipfix', 'packet', 'filter']) {
    const { files, bytes } = reachableFiles(join(installed, 'dist', 'exports', `${entry}.js`))
    const packed = gzipSync(Buffer.concat(files.map((file) => readFileSync(file)))).length
    const { load, whole } = loading(where, `vnetscope/${entry}`)
    const columns = [files.length, kilobytes(bytes), kilobytes(packed), load.toFixed(1), whole.toFixed(0)]
    console.log(entry.padEnd(8) + columns.map((column) => String(column).padStart(10)).join(''))
  }
  const command = join(folder, 'whole', 'node_modules', '.bin', 'vnetscope')
  console.log(`\nvnetscope --version ${fastest(() => run(folder, command, '--version')).toFixed(0)} ms`)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
