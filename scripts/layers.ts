// The layers of src/, in the order in which data flows. A folder imports only from those before it; what stands
// on one line may not import each other. `checkLayers` answers each breach with what to do instead.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { dirname, join, normalize, relative } from 'node:path'

export const LAYERS: readonly (readonly string[])[] = [
  ['base'],
  ['telemetry'],
  ['wire'],
  ['packet'],
  ['flow'],
  ['capture'],
  ['recording'],
  ['probe', 'host', 'meter', 'simulate'],
  ['collect'],
  ['inventory'],
  ['enrich'],
  ['store'],
  ['query'],
  ['exports'],
  ['alert', 'report', 'snmp', 'plugin'],
  ['api'],
  ['app'],
  ['cli'],
]

/** What the browser loads too: these import only each other, and no module of Node. */
const BROWSER_SAFE = ['src/api/contract/', 'src/query/filter/', 'src/flow/columns.ts', 'src/base/']
const FOR_THE_BROWSER = ['src/api/contract/', 'src/query/filter/', 'src/flow/columns.ts', 'src/exports/filter.ts']

export interface Import {
  readonly specifier: string
  /** `import type`, `export type` or only `type` members: nothing is loaded at run time. */
  readonly typeOnly: boolean
}

const STATEMENT = /(?:^|\n)\s*(?:import|export)\s+(type\s+)?((?:[\w*{}\s,$]|\/\/[^\n]*)*?)\s*from\s*['"]([^'"]+)['"]/g
const BARE = /(?:^|\n)\s*import\s*['"]([^'"]+)['"]/g
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]\s*\)/g
const WORKER = /new URL\(\s*['"](\.[^'"]+\.ts)['"]\s*,\s*import\.meta\.url\s*\)/g

/** The imports of a module's text, dynamic ones and workers' files included. */
export function importsOf(text: string): Import[] {
  const imports: Import[] = []
  for (const [, type, names, specifier] of text.matchAll(STATEMENT)) {
    const members = /^\{([^}]*)\}$/
      .exec((names ?? '').trim())?.[1]
      ?.split(',')
      .map((member) => member.trim())
      .filter((member) => member !== '')
    const typeOnly =
      type !== undefined ||
      (members !== undefined && members.length > 0 && members.every((member) => member.startsWith('type ')))
    imports.push({ specifier: specifier as string, typeOnly })
  }
  for (const pattern of [BARE, DYNAMIC, WORKER]) {
    for (const [, specifier] of text.matchAll(pattern))
      imports.push({ specifier: specifier as string, typeOnly: false })
  }
  return imports
}

interface Module {
  readonly path: string
  readonly imports: readonly (Import & { readonly target: string | undefined })[]
}

function readModules(root: string): Map<string, Module> {
  const modules = new Map<string, Module>()
  for (const folder of ['src', 'web/src', 'bench', 'test', 'scripts']) {
    if (!existsSync(join(root, folder))) continue
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, name)
      // Its texts hold imports of files that it makes up.
      if (!/\.tsx?$/.test(name) || name.includes('node_modules') || path === 'scripts/layers.test.ts') continue
      const imports = importsOf(readFileSync(join(root, path), 'utf8')).map((entry) => ({
        ...entry,
        target: entry.specifier.startsWith('.') ? normalize(join(dirname(path), entry.specifier)) : undefined,
      }))
      modules.set(path, { path, imports })
    }
  }
  return modules
}

/** Every breach of the layers and every cycle of imports, each as one sentence that says what to do. */
export function checkLayers(root: string): string[] {
  const modules = readModules(root)
  const problems: string[] = []
  for (const module of modules.values()) {
    for (const entry of module.imports) {
      if (entry.target === undefined) {
        if (isIn(module.path, FOR_THE_BROWSER) && !isTest(module.path) && entry.specifier.startsWith('node:')) {
          problems.push(
            `${module.path} imports ${entry.specifier}, but the browser loads this file too: pass in what it needs, or move that part out`,
          )
        }
        continue
      }
      if (!existsSync(join(root, entry.target))) {
        problems.push(
          `${module.path} imports ${entry.specifier}, which does not exist${/\.tsx?$/.test(entry.specifier) ? '' : ': relative imports name their file with its ending'}`,
        )
        continue
      }
      const breach = breachOf(module.path, entry.target)
      if (breach) problems.push(breach)
    }
  }
  for (const folder of new Set([...modules.keys()].filter((path) => path.startsWith('src/')).map(layerName))) {
    if (layerOf(folder) < 0)
      problems.push(
        `src/${folder} is in no layer: give it its place in scripts/layers.ts and ARCHITECTURE.md, or put its files into a folder that has one`,
      )
  }
  return [...problems, ...cycles(modules)]
}

function breachOf(from: string, to: string): string | undefined {
  if (isTest(from)) return undefined
  if (from.startsWith('web/')) {
    if (to.startsWith('web/') || isIn(to, BROWSER_SAFE)) return undefined
    return `${from} imports ${to}: the console knows the server only by src/api/contract, src/query/filter and src/flow/columns.ts; ask the API for the rest`
  }
  if (!from.startsWith('src/')) return undefined
  if (!to.startsWith('src/'))
    return `${from} imports ${to}: what ships imports nothing from ${to.split('/')[0]}/; move what both need into src/`
  if (isIn(from, FOR_THE_BROWSER) && !isIn(to, BROWSER_SAFE)) {
    return `${from} imports ${to}, but the browser loads this file too, and may load only src/api/contract, src/query/filter, src/flow/columns.ts and src/base`
  }
  const [a, b] = [layerName(from), layerName(to)]
  if (a === b) return undefined
  const [i, j] = [layerOf(a), layerOf(b)]
  if (i < 0 || j < 0 || j < i) return undefined
  if (i === j)
    return `${from} imports ${to}: ${a} and ${b} do not know each other; what both need belongs in a layer before them`
  return `${from} imports ${to}: ${a} comes before ${b}; move what ${a} needs down into ${a} or before it, or let ${b} pass it in`
}

function cycles(modules: ReadonlyMap<string, Module>): string[] {
  const problems: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const trail: string[] = []
  const visit = (path: string): void => {
    if (state.get(path) === 'done') return
    if (state.get(path) === 'open') {
      const cycle = [...trail.slice(trail.indexOf(path)), path].map((file) => relative('src', file))
      problems.push(`imports go round in a circle: ${cycle.join(' → ')}; move what they share into a file of its own`)
      return
    }
    state.set(path, 'open')
    trail.push(path)
    for (const { target } of modules.get(path)?.imports ?? [])
      if (target !== undefined && modules.has(target)) visit(target)
    trail.pop()
    state.set(path, 'done')
  }
  for (const path of modules.keys()) if (path.startsWith('src/') && !isTest(path)) visit(path)
  return problems
}

function isTest(path: string): boolean {
  return /\.test\.tsx?$/.test(path)
}

function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) => (place.endsWith('/') ? path.startsWith(place) : path === place))
}

function layerName(path: string): string {
  return path.split('/')[1] as string
}

function layerOf(name: string): number {
  return LAYERS.findIndex((group) => group.includes(name))
}

if (import.meta.main) {
  const problems = checkLayers(process.cwd())
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}
