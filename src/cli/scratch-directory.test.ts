import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MODULE = fileURLToPath(new URL('scratch-directory.ts', import.meta.url))
const CODE = `import { createScratchDirectory } from ${JSON.stringify(MODULE)}
import { writeFileSync } from 'node:fs'
const { dir } = await createScratchDirectory('vnetscope-scratch-', () => undefined)
writeFileSync(dir + '/file', 'x')
console.log(dir)
process.stdin.on('data', () => process.exit(0))`

for (const [how, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['exit', 0],
] as const) {
  test(`the directory is gone after ${how}, and the process says how it ended`, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', CODE], { stdio: ['pipe', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    const [line] = (await once(child.stdout.setEncoding('utf8'), 'data')) as [string]
    const dir = line.trim()
    assert.ok(existsSync(`${dir}/file`))
    if (how === 'exit') child.stdin.write('x')
    else child.kill(how)
    assert.deepEqual(await ended, [status, null])
    assert.equal(existsSync(dir), false)
  })
}
