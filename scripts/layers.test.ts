import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { checkLayers, importsOf } from './layers.ts'

function problemsOf(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'vnetscope-layers-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return checkLayers(root)
  } finally {
    rmSync(root, { recursive: true })
  }
}

test('imports are found in every form in which they are written', () => {
  const text = `import a from './a.ts'
import { b,
  type c } from "./b.ts"
import type { D } from './d.ts'
import { type E } from './e.ts'
import './f.ts'
export * from './g.ts'
export type { H } from './h.ts'
const i = await import('./i.ts')
new Worker(new URL('./j.ts', import.meta.url))
// from './no.ts'
`
  assert.deepEqual(
    importsOf(text)
      .map(({ specifier, typeOnly }) => `${specifier}${typeOnly ? ' type' : ''}`)
      .sort(),
    ['./a.ts', './b.ts', './d.ts type', './e.ts type', './f.ts', './g.ts', './h.ts type', './i.ts', './j.ts'],
  )
})

test('a layer that imports a later one is told what to do instead', () => {
  const [problem, ...others] = problemsOf({
    'src/wire/a.ts': `import { b } from '../store/b.ts'\n`,
    'src/store/b.ts': `import { c } from '../base/c.ts'\nexport const b = c\n`,
    'src/base/c.ts': 'export const c = 1\n',
  })
  assert.equal(
    problem,
    'src/wire/a.ts imports src/store/b.ts: wire comes before store; move what wire needs down into wire or before it, or let store pass it in',
  )
  assert.deepEqual(others, [])
})

test('exporters may not know each other, and tests may import anything', () => {
  const problems = problemsOf({
    'src/meter/a.ts': `import '../simulate/b.ts'\n`,
    'src/simulate/b.ts': 'export {}\n',
    'src/base/c.test.ts': `import '../meter/a.ts'\n`,
  })
  assert.equal(problems.length, 1)
  assert.match(problems[0] as string, /meter and simulate do not know each other/)
})

test('a cycle between files is shown as the way round', () => {
  const problems = problemsOf({
    'src/base/a.ts': `import './b.ts'\n`,
    'src/base/b.ts': `import type { X } from './c.ts'\n`,
    'src/base/c.ts': `import './a.ts'\nexport type X = 1\n`,
  })
  assert.deepEqual(problems, [
    'imports go round in a circle: base/a.ts → base/b.ts → base/c.ts → base/a.ts; move what they share into a file of its own',
  ])
})

test('what the browser loads stays free of Node, and the console stays out of the server', () => {
  const problems = problemsOf({
    'src/api/contract/a.ts': `import { readFile } from 'node:fs'\nimport '../../store/s.ts'\n`,
    'src/store/s.ts': 'export {}\n',
    'web/src/w.ts': `import '../../src/store/s.ts'\nimport '../../src/api/contract/a.ts'\n`,
  })
  assert.equal(problems.length, 3)
})

test('a folder without a layer and an import of nothing are problems', () => {
  const problems = problemsOf({
    'src/utils/a.ts': `import './gone.ts'\nimport './b'\n`,
    'src/utils/b.ts': 'export {}\n',
  })
  assert.equal(problems.length, 3)
})
