// Open vSwitch with a userspace datapath, in a run directory of its own, with two namespaces on one bridge.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { run, until } from './processes.ts'

export interface OpenVswitch {
  /** `ovs-vsctl` on this switch. */
  vsctl(...args: string[]): string
  /** `ovs-appctl` on its ovs-vswitchd. */
  appctl(...args: string[]): string
  /** Socket of its database; that of the switch itself lies beside it. */
  readonly database: string
  /** The namespaces, and the address of each. */
  readonly ends: readonly { readonly namespace: string; readonly address: string }[]
  readonly bridge: string
  readonly vlan: number
  stop(): Promise<void>
}

export async function startOpenVswitch(vlan: number): Promise<OpenVswitch> {
  const directory = mkdtempSync(join(tmpdir(), 'vnetscope-ovs-'))
  const env = { OVS_RUNDIR: directory, OVS_LOGDIR: directory, OVS_DBDIR: directory, OVS_SYSCONFDIR: directory }
  const database = join(directory, 'conf.db')
  const socket = `unix:${join(directory, 'db.sock')}`
  const tag = process.pid.toString(36)
  const bridge = `vb${tag}`
  const ends = [1, 2].map((i) => ({ namespace: `vn${i}-${tag}`, port: `vp${i}${tag}`, address: `10.88.0.${i}` }))
  const vsctl = (...args: string[]): string => run('ovs-vsctl', [`--db=${socket}`, '--timeout=20', ...args], { env })
  const control = join(directory, 'vswitchd.ctl')
  const appctl = (...args: string[]): string => run('ovs-appctl', ['-t', control, ...args], { env })

  const stop = async (): Promise<void> => {
    const quietly = (work: () => unknown): void => {
      try {
        work()
      } catch {
        // What was not there need not be taken away.
      }
    }
    quietly(() => vsctl('del-br', bridge))
    for (const daemon of ['vswitchd', 'ovsdb']) {
      const pid = Number(readPid(join(directory, `${daemon}.pid`)))
      if (Number.isNaN(pid)) continue
      quietly(() => process.kill(pid))
      await until(`${daemon} to end`, () => (isAlive(pid) ? undefined : true))
    }
    for (const { namespace, port } of ends) {
      quietly(() => run('ip', ['link', 'del', port]))
      quietly(() => run('ip', ['netns', 'del', namespace]))
    }
    rmSync(directory, { recursive: true, force: true })
  }

  try {
    run('ovsdb-tool', ['create', database, '/usr/share/openvswitch/vswitch.ovsschema'], { env })
    const daemon = (name: string, file: string): string[] => [
      `--pidfile=${join(directory, `${file}.pid`)}`,
      `--log-file=${join(directory, `${file}.log`)}`,
      `--unixctl=${join(directory, `${file}.ctl`)}`,
      '--detach',
      '--no-chdir',
      name,
    ]
    run('ovsdb-server', [...daemon(database, 'ovsdb'), `--remote=p${socket}`], { env })
    vsctl('--no-wait', 'init')
    run('ovs-vswitchd', daemon(socket, 'vswitchd'), { env })
    vsctl('add-br', bridge, '--', 'set', 'bridge', bridge, 'datapath_type=netdev')
    for (const { namespace, port, address } of ends) {
      run('ip', ['netns', 'add', namespace])
      run('ip', ['link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace])
      run('ip', ['link', 'set', port, 'up'])
      run('ip', ['-n', namespace, 'addr', 'add', `${address}/24`, 'dev', 'eth0'])
      run('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
      run('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up'])
      // The userspace datapath does not complete checksums that the sender left to its adapter.
      run('ip', ['netns', 'exec', namespace, 'ethtool', '-K', 'eth0', 'tx', 'off', 'tso', 'off', 'gso', 'off'])
      vsctl('add-port', bridge, port, `tag=${vlan}`)
    }
    await until('the two ends to reach each other', () => {
      try {
        return run('ip', ['netns', 'exec', ends[0]!.namespace, 'ping', '-q', '-c', '1', '-W', '1', ends[1]!.address])
      } catch {
        return undefined
      }
    })
  } catch (error) {
    await stop()
    throw error
  }
  return { vsctl, appctl, database: join(directory, 'db.sock'), ends, bridge, vlan, stop }
}

function readPid(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return 'none'
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
