// `npm run check`: everything that can be said of the sources without running them, side by side, in seconds.
// `npm run check -- NAME…` runs those steps alone.

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const bin = (name: string): string => join(root, 'node_modules', '.bin', name)
const script = (name: string, ...args: string[]): string[] => [process.execPath, join(root, 'scripts', name), ...args]

/** The tools run by the pinned Node, whatever started this. */
const env = { ...process.env, PATH: `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}` }

interface Step {
  readonly name: string
  readonly command: readonly string[]
  /** What to do when it fails. */
  readonly advice: string
}

/** The slow ones first. */
const STEPS: readonly Step[] = [
  {
    name: 'lint',
    command: [bin('oxlint'), '--type-aware', '--deny-warnings'],
    advice: 'see .oxlintrc.json for why a rule is there',
  },
  { name: 'dead code', command: [bin('knip'), '--no-progress'], advice: 'delete it, or stop exporting it' },
  { name: 'types', command: [bin('tsc'), '--noEmit', '-p', 'tsconfig.json'], advice: 'mend the types' },
  ...(existsSync(join(root, 'web', 'tsconfig.json'))
    ? [
        {
          name: 'types of the console',
          command: [bin('tsc'), '--noEmit', '-p', 'web/tsconfig.json'],
          advice: 'mend the types',
        },
      ]
    : []),
  { name: 'format', command: [bin('oxfmt'), '--check'], advice: 'run `npm run format`' },
  { name: 'layers', command: script('layers.ts'), advice: 'the layers stand in ARCHITECTURE.md' },
  { name: 'reference pages', command: script('reference.ts', '--check'), advice: 'run `npm run docs`' },
  { name: 'tree', command: script('tree.ts'), advice: 'see scripts/tree.ts' },
  { name: 'lock', command: script('complete-lock.ts', '--check'), advice: 'run `node scripts/complete-lock.ts`' },
]

interface Outcome {
  readonly step: Step
  readonly output: string
  readonly ok: boolean
  readonly seconds: number
}

function runStep(step: Step): Promise<Outcome> {
  const started = performance.now()
  const [command, ...args] = step.command
  return new Promise((resolve) => {
    const child = spawn(command as string, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env })
    const chunks: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk))
    const done = (ok: boolean, more = ''): void =>
      resolve({
        step,
        ok,
        output: Buffer.concat(chunks).toString() + more,
        seconds: (performance.now() - started) / 1000,
      })
    child.on('error', (error) => done(false, error.message))
    child.on('close', (status) => done(status === 0))
  })
}

const wanted = process.argv.slice(2)
const queue = STEPS.filter(({ name }) => wanted.length === 0 || wanted.includes(name))
let failed = 0
async function work(): Promise<void> {
  for (let step = queue.shift(); step; step = queue.shift()) {
    const { output, ok, seconds } = await runStep(step)
    console.log(`${ok ? 'ok  ' : 'FAIL'} ${step.name} (${seconds.toFixed(1)} s)`)
    if (ok) continue
    failed++
    console.log(`${output.trimEnd().replaceAll(/^/gm, '     ')}\n     → ${step.advice}`)
  }
}
await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work))
process.exitCode = failed === 0 ? 0 : 1
