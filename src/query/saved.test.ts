import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { OperatorError, UserError } from '../base/errors.ts'
import { FilterError } from './filter/problem.ts'
import { createSaved, InUseError, NotSavedError, type Saved } from './saved.ts'

let dir: string
let file: string
let saved: Saved
let now = 1_000
const clock = { now: () => now }

before(() => {
  dir = mkdtempSync(join(tmpdir(), 'vnetscope-saved-'))
})
after(() => rmSync(dir, { recursive: true, force: true }))

let count = 0
beforeEach((t) => {
  file = join(dir, String(count++), 'state', 'state.sqlite')
  saved = createSaved({ file }, { clock })
  saved.start()
  ;(t as unknown as { after?: (end: () => void) => void }).after?.(() => saved.stop())
})

test('a saved filter is found by its name whatever its case, also after a restart', () => {
  now = 5
  saved.filters.put('Web', 'proto tcp and port in [80, 443]', 'browsing')
  now = 9
  saved.filters.put('ours', 'net 10.0.0.0/8 and @web')
  assert.deepEqual(saved.filters.list(), [
    { name: 'ours', filter: 'net 10.0.0.0/8 and @web', describe: '', uses: ['Web'], usedBy: [], updatedAt: 9 },
    {
      name: 'Web',
      filter: 'proto tcp and port in [80, 443]',
      describe: 'browsing',
      uses: [],
      usedBy: ['ours'],
      updatedAt: 5,
    },
  ])
  saved.stop()
  const again = createSaved({ file }, { clock })
  again.start()
  assert.equal(again.filters.text('WEB'), 'proto tcp and port in [80, 443]')
  assert.equal(again.filters.get('web').name, 'Web')
  assert.equal(again.filters.text('web2'), undefined)
  again.stop()
})

test('saving again changes the text, and what uses it means the new one', () => {
  saved.filters.put('web', 'port 80')
  assert.equal(saved.filters.put('WEB', 'port 443').name, 'web')
  assert.equal(saved.filters.text('web'), 'port 443')
  assert.equal(saved.filters.list().length, 1)
})

test('what can’t be understood, names nobody or uses itself is not saved', () => {
  assert.throws(
    () => saved.filters.put('a', 'port 99999'),
    (e: unknown) => e instanceof FilterError && e.position === 5,
  )
  assert.throws(
    () => saved.filters.put('a', 'ipv4 and @b'),
    (e: unknown) => e instanceof FilterError && e.position === 9,
  )
  assert.throws(
    () => saved.filters.put('a', 'not @A'),
    (e: unknown) => e instanceof FilterError && /uses itself/.test(e.message),
  )
  saved.filters.put('a', 'ipv4')
  saved.filters.put('b', '@a')
  saved.filters.put('c', '@b or @a')
  assert.throws(() => saved.filters.put('a', 'ipv6 and @c'), /“@a” uses itself: @c → @b → @a → @c|uses itself/)
  assert.equal(saved.filters.text('a'), 'ipv4')
  for (const name of ['', '1', 'a b', 'include', 'x'.repeat(65), '../x', 'ä'])
    assert.throws(() => saved.filters.put(name, 'any'), UserError, name)
})

test('a change that would make what uses it too deep or too large is refused, with who uses it', () => {
  saved.filters.put('l0', 'any')
  for (let i = 1; i < 17; i++) saved.filters.put(`l${i}`, `@l${i - 1}`)
  assert.throws(() => saved.filters.put('l17', '@l16'), /levels deep/)
  saved.filters.put('deep', 'any')
  assert.throws(() => saved.filters.put('l0', '@deep'), /“@l16”, which uses it, would be wrong/)
  saved.filters.put('d0', Array.from({ length: 50 }, () => 'ipv4').join(' or '))
  for (let i = 1; i < 7; i++) saved.filters.put(`d${i}`, `@d${i - 1} or @d${i - 1}`)
  assert.throws(() => saved.filters.put('d7', '@d6 or @d6'), /more than 5000 tests/)
})

test('a filter that another uses is not removed', () => {
  saved.filters.put('a', 'ipv4')
  saved.filters.put('b', '@a')
  assert.throws(
    () => saved.filters.remove('A'),
    (e: unknown) => e instanceof InUseError && /“@b”/.test(e.message),
  )
  saved.filters.remove('b')
  saved.filters.remove('a')
  assert.deepEqual(saved.filters.list(), [])
  assert.throws(() => saved.filters.remove('a'), NotSavedError)
  assert.throws(() => saved.filters.get('a'), NotSavedError)
})

test('views are pages of the console, kept by any name', () => {
  now = 7
  const view = { name: 'Monday’s “top” / %20', url: '/explore?last=6h&by=src_vm&filter=proto+tcp', updatedAt: 7 }
  assert.deepEqual(saved.views.put(view.name, view.url), view)
  assert.deepEqual(saved.views.get(view.name), view)
  saved.views.put('another', '/exporters')
  assert.deepEqual(
    saved.views.list().map(({ name }) => name),
    ['another', view.name],
  )
  for (const url of [
    '',
    'explore',
    '//evil.example/',
    '/\\evil.example',
    'javascript:alert(1)',
    '/a b',
    '/x\n',
    `/${'x'.repeat(8000)}`,
  ])
    assert.throws(() => saved.views.put('x', url), UserError, url.slice(0, 20))
  for (const name of ['', ' x', 'x'.repeat(101), 'a\nb', '\ud800'])
    assert.throws(() => saved.views.put(name, '/'), UserError)
  saved.views.remove('another')
  assert.throws(() => saved.views.remove('another'), NotSavedError)
})

test('a thousand are kept, and no more', () => {
  for (let i = 0; i < 1000; i++) saved.views.put(`v${i}`, '/')
  assert.throws(() => saved.views.put('one more', '/'), /as many as are kept/)
  assert.equal(saved.views.put('v7', '/explore').url, '/explore')
})

test('the files of a server can be read beside it, and where there are none nothing is saved', () => {
  saved.filters.put('web', 'port 80')
  const beside = createSaved({ file, readOnly: true }, { clock })
  beside.start()
  assert.equal(beside.filters.text('web'), 'port 80')
  saved.filters.put('web', 'port 443')
  assert.equal(beside.filters.text('web'), 'port 443')
  assert.throws(() => beside.filters.put('web', 'port 22'), OperatorError)
  beside.stop()
  const nowhere = createSaved({ file: join(dir, 'nowhere', 'state.sqlite'), readOnly: true }, { clock })
  nowhere.start()
  assert.deepEqual(nowhere.filters.list(), [])
  assert.equal(nowhere.filters.text('web'), undefined)
  nowhere.stop()
})

test('a file that is no database, or of a newer version, is told as such', () => {
  const broken = join(dir, 'broken.sqlite')
  writeFileSync(broken, 'this is no database, but long enough to be taken for one. '.repeat(20))
  assert.throws(
    () => createSaved({ file: broken }, { clock }).start(),
    (e: unknown) => e instanceof OperatorError && e.code === 'state_database' && e.message.includes(broken),
  )
})
