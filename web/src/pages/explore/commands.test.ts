import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { DEFAULT_VIEW } from '../../url/search.ts'
import { asCall, asCommand, shellQuoted } from './commands.ts'

test('a view is a command', () => {
  const view = { ...DEFAULT_VIEW, filter: 'src vm web-7 and port 443', by: ['src_vm', 'dst_port'] }
  assert.equal(
    asCommand(view, { kind: 'last', ms: 3_600_000 }, 'http://127.0.0.1:8080'),
    "vnetscope query 'src vm web-7 and port 443' -A src_vm,dst_port -n 7 --last 1h --url http://127.0.0.1:8080",
  )
})

test('a shell reads back exactly what was quoted', () => {
  for (const text of ["it's", 'a "b" $HOME `id` \\', 'plain', '']) {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${shellQuoted(text)}`], { encoding: 'utf8' }), text)
  }
})

test('the body of the call is JSON that a shell passes on whole', () => {
  const call = asCall({ ...DEFAULT_VIEW, filter: `vm "it's"` }, { from: 0, to: 60_000 }, 'http://h')
  const body = execFileSync('sh', ['-c', call.replace(/^curl .* \\\n {2}-d/, 'printf %s')], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(body), {
    from: '1970-01-01T00:00:00.000Z',
    to: '1970-01-01T00:01:00.000Z',
    filter: `vm "it's"`,
    by: ['vlan'],
    metric: 'bytes',
    limit: 7,
  })
})
