import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { OperatorError, UserError } from '../base/errors.ts'
import { COMMANDS } from './main.ts'
import { report } from './report-error.ts'

const executable = join(import.meta.dirname, '..', '..', 'bin', 'vnetscope')

function vnetscope(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(executable, args, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test('--help names every command and ends with 0', () => {
  const { status, stdout, stderr } = vnetscope('--help')
  assert.equal(status, 0)
  assert.equal(stderr, '')
  for (const { name } of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, 'm'))
})

test('--version prints the version of the package', () => {
  assert.match(vnetscope('--version').stdout, /^\d+\.\d+\.\d+\n$/)
})

test('each command has a help of its own', () => {
  for (const { name } of COMMANDS) {
    const { status, stdout } = vnetscope(name, '--help')
    assert.equal(status, 0, name)
    assert.match(stdout, new RegExp(`^Usage: vnetscope ${name} `))
    assert.deepEqual(vnetscope('help', name).stdout, stdout)
  }
})

test('wrong usage ends with 2 and says what was wrong', () => {
  for (const [args, said] of [
    [[], /Usage:/],
    [['chekc'], /unknown command 'chekc'[\s\S]*check/],
    [['--nope'], /unknown option '--nope'/],
    [['check'], /missing required argument 'file'/],
    [['check', 'a', 'b'], /too many arguments/],
    [['doctor', '--confg', 'x'], /unknown option '--confg'[\s\S]*--config/],
  ] as const) {
    const { status, stdout, stderr } = vnetscope(...args)
    assert.equal(status, 2, args.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, said)
  }
})

test('check says what is wrong where, and ends with 1; with 0 where nothing is', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-check-'))
  try {
    const file = join(folder, 'a.yaml')
    writeFileSync(file, 'http:\n  port: no\n')
    assert.deepEqual(vnetscope('check', file), {
      status: 1,
      stdout: '',
      stderr: `${file}:2:9: http.port: expected a port number from 0 to 65535, found "no"\n`,
    })
    writeFileSync(file, 'http:\n  port: 80\n')
    assert.deepEqual(vnetscope('check', file), { status: 0, stdout: `${file} is right\n`, stderr: '' })
    const probe = join(folder, 'vsprobed.conf')
    writeFileSync(probe, '# a mirror\nsflow {\n  agentipp = 192.0.2.1\n}\n')
    assert.match(vnetscope('check', probe).stderr, /vsprobed\.conf:3:3: “agentipp” is no setting of “sflow”/)
    assert.deepEqual(vnetscope('check', join(folder, 'none')), {
      status: 1,
      stdout: '',
      stderr: `vnetscope: there is no file ${join(folder, 'none')}\n`,
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('the example configuration is right', () => {
  const file = join(import.meta.dirname, '..', '..', 'examples', 'vnetscope.yaml')
  assert.equal(vnetscope('check', file).status, 0)
})

test('it is found through a symbolic link, as npm makes one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-link-'))
  try {
    symlinkSync(executable, join(folder, 'vnetscope'))
    assert.equal(spawnSync(join(folder, 'vnetscope'), ['--version'], { encoding: 'utf8' }).status, 0)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('an error that the user or an operator can mend is one sentence and a hint; one of ours has its stack', () => {
  const said = (error: unknown): string => {
    let text = ''
    report(error, (more) => (text += more))
    return text
  }
  assert.equal(
    said(new UserError('no such thing', { hint: 'try another' })),
    'vnetscope: no such thing\n  try another\n',
  )
  assert.equal(said(new OperatorError('disk_full', 'the disk is full')), 'vnetscope: the disk is full\n')
  assert.match(said(new TypeError('oops')), /^vnetscope: TypeError: oops\n\s+at /)
})
