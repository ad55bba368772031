// What the systemd units grant is enough: the programs run as nobody, with those capabilities and no others.

import assert from 'node:assert/strict'
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { run, start, until } from './processes.ts'
import { temporaryFolder } from './server.ts'

const ROOT = join(import.meta.dirname, '../..')
const folder = temporaryFolder()
after(() => folder.remove())
run('chmod', ['755', folder.path])

interface Unit {
  readonly command: string[]
  readonly capabilities: string[]
}

function readUnit(name: string): Unit {
  const text = readFileSync(join(ROOT, 'deploy/systemd', name), 'utf8')
  const setting = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? ''
  assert.equal(setting('CapabilityBoundingSet'), setting('AmbientCapabilities'))
  assert.equal(setting('NoNewPrivileges'), 'yes')
  return { command: setting('ExecStart').split(' ').slice(1), capabilities: setting('AmbientCapabilities').split(' ') }
}

const configuration = join(folder.path, 'probe.conf')
writeFileSync(
  configuration,
  'sflow { agentip = 192.0.2.1 collector { ip = 127.0.0.1 udpport = 9 } virtualswitch { pcap { device = lo } uplink { mac = 00:14:22:59:22:77 } } }',
  { mode: 0o644 },
)

const collector = join(folder.path, 'vnetscope.yaml')
writeFileSync(collector, 'http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [0] }]\n', { mode: 0o644 })
const state = join(folder.path, 'state')
mkdirSync(state)
chownSync(state, 65_534, 65_534)

for (const [name, instead, begun] of [
  ['vnetscope.service', { '/etc/vnetscope.yaml': collector, '/var/lib/vnetscope': state }, 'vnetscope is ready'],
  ['vnetscope-meter.service', { eth1: 'lo', '192.0.2.1:4739': '127.0.0.1:9' }, 'metering lo'],
  ['vnetscope-probe.service', { '/etc/vsprobed.conf': configuration }, 'monitoring lo'],
] as const)
  test(`${name} grants what it needs, and the program ends as it should`, async () => {
    const { command, capabilities } = readUnit(name)
    const sets = `-all,${capabilities.map((capability) => capability.replace('CAP_', '+').toLowerCase()).join(',')}`
    const as = ['--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs']
    const args = command.map((word) => (instead as Record<string, string>)[word] ?? word)
    await using program = start('setpriv', [
      ...as,
      `--inh-caps=${sets}`,
      `--ambient-caps=${sets}`,
      `--bounding-set=${sets}`,
      process.execPath,
      join(ROOT, 'src/cli/main.ts'),
      ...args,
    ])
    await until('it to begin', () => {
      if (program.child.exitCode !== null) throw new Error(program.output())
      return program.output().includes(begun) ? true : undefined
    })
    assert.equal(await program.stop(), 0, program.output())
  })
