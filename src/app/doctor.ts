// What a machine needs to run the server, looked at without starting it. Each check answers findings: what is
// so, and what to do about it where something is to be mended.

import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { accessSync, constants, existsSync, readFileSync, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { totalmem } from 'node:os'
import { dirname, resolve } from 'node:path'
import { promisify } from 'node:util'
import type { Config } from './config.ts'
import { bytesText } from './config-values.ts'

export interface Finding {
  /** `warn`: the server runs, but less well than it could. `fail`: it would not run. */
  readonly level: 'ok' | 'warn' | 'fail'
  readonly what: string
  readonly mend?: string
}

const GIB = 2 ** 30
/** Bits of the effective capability set (linux/capability.h). */
const CAP_NET_ADMIN = 12
const CAP_NET_RAW = 13

/** Looks at everything, in the order in which it is worth mending. Never throws. */
export async function examine(config: Config): Promise<Finding[]> {
  const groups = [
    checkNode(),
    await checkKoffi(),
    await checkEngine(),
    checkPrivileges(),
    checkReceiveBuffer(config.receive.buffer),
    checkMemory(config.storage.memory),
    checkData(config.data),
    await checkPorts(config),
    await checkClock(),
  ]
  return groups.flat()
}

export function checkNode(version = process.versions.node): Finding[] {
  const major = Number(version.split('.')[0])
  if (major >= 26) return [{ level: 'ok', what: `Node ${version}` }]
  return [
    {
      level: 'fail',
      what: `Node ${version} is too old`,
      mend: 'start by bin/vnetscope, which uses the Node 26 that the packages bring',
    },
  ]
}

async function checkKoffi(): Promise<Finding[]> {
  try {
    const koffi = (await import('koffi')).default
    const getpid = koffi.load(null).func('int getpid()') as () => number
    if (getpid() !== process.pid) throw new Error('a call into the C library answered nonsense')
    return [{ level: 'ok', what: `koffi ${koffi.version}: system calls work` }]
  } catch (error) {
    return [
      {
        level: 'warn',
        what: `koffi can't be used (${firstLine(error)}), so datagrams are received one by one, a fifth as fast`,
        mend: 'install the packages again (`npm ci`) on glibc 2.28 or later',
      },
    ]
  }
}

/** In a child process of its own, as the server runs it: the engine takes memory that this process would keep. */
async function checkEngine(): Promise<Finding[]> {
  const require = createRequire(import.meta.url)
  try {
    const script = `const { query } = require(${JSON.stringify(require.resolve('chdb'))}); console.log(String(query('SELECT version()', 'TSVRaw')).trim())`
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { timeout: 30_000 })
    return [{ level: 'ok', what: `embedded ClickHouse ${stdout.trim()}` }]
  } catch (error) {
    return [
      {
        level: 'fail',
        what: `the embedded ClickHouse can't be loaded (${reasonOf(error)})`,
        mend: 'install the packages again (`npm ci`); the engine is there for glibc on x86-64 and arm64, and needs SSE 4.2',
      },
    ]
  }
}

function checkPrivileges(): Finding[] {
  const have = effectiveCapabilities()
  const missing = [
    ...(has(have, CAP_NET_ADMIN) ? [] : ['CAP_NET_ADMIN (receive buffers above net.core.rmem_max)']),
    ...(has(have, CAP_NET_RAW) ? [] : ['CAP_NET_RAW (taking packets from interfaces)']),
  ]
  if (missing.length === 0) return [{ level: 'ok', what: 'privileges: CAP_NET_ADMIN, CAP_NET_RAW' }]
  return [{ level: 'ok', what: `runs without ${missing.join(' and ')}` }]
}

function checkReceiveBuffer(wanted: number): Finding[] {
  const limit = Number(readText('/proc/sys/net/core/rmem_max') ?? '0')
  if (limit >= wanted || has(effectiveCapabilities(), CAP_NET_ADMIN)) {
    return [{ level: 'ok', what: `receive buffers of ${bytesText(wanted)} can be had` }]
  }
  return [
    {
      level: 'warn',
      what: `the kernel gives receive buffers of ${bytesText(limit)}, not the ${bytesText(wanted)} that are configured: a burst may be lost`,
      mend: `sysctl -w net.core.rmem_max=${wanted}, and the same line in /etc/sysctl.d/ to keep it`,
    },
  ]
}

function checkMemory(storage: number): Finding[] {
  const limit = Number.parseInt(readText('/sys/fs/cgroup/memory.max') ?? '', 10)
  const memory = Math.min(totalmem(), Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit)
  const needed = storage + GIB
  if (memory >= needed) return [{ level: 'ok', what: `memory: ${gib(memory)}` }]
  return [
    {
      level: 'warn',
      what: `there are ${gib(memory)} of memory, and storage.memory lets the store take ${gib(storage)}`,
      mend: `set storage.memory to at most ${bytesText(Math.max(GIB / 2, Math.floor((memory - GIB) / 2 ** 28) * 2 ** 28))}`,
    },
  ]
}

function checkData(data: string): Finding[] {
  const directory = resolve(data)
  let existing = directory
  while (!existsSync(existing)) existing = dirname(existing)
  try {
    accessSync(existing, constants.W_OK)
  } catch {
    return [
      {
        level: 'fail',
        what: `${existing} can't be written`,
        mend: `give its user the right to, or name another directory by --data`,
      },
    ]
  }
  const { bavail, bsize } = statfsSync(existing)
  const free = bavail * bsize
  if (free >= 10 * GIB) return [{ level: 'ok', what: `${directory}: ${gib(free)} free` }]
  return [
    {
      level: free < GIB ? 'fail' : 'warn',
      what: `${directory}: only ${gib(free)} free`,
      mend: 'make room, or bound what is kept by storage.maxBytes and storage.retentionDays',
    },
  ]
}

async function checkPorts(config: Config): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { address, ports, tcp } of config.listeners) {
    for (const port of tcp) findings.push(portFinding('tcp', address, port, await tryTcp(address, port)))
    for (const port of ports) findings.push(portFinding('udp', address, port, await tryUdp(address, port)))
  }
  findings.push(
    portFinding('tcp', config.http.host, config.http.port, await tryTcp(config.http.host, config.http.port)),
  )
  return findings
}

function portFinding(kind: 'udp' | 'tcp', address: string, port: number, error: string | undefined): Finding {
  const what = `${kind} ${address.includes(':') ? `[${address}]` : address}:${port}`
  if (error === undefined) return { level: 'ok', what: `${what} is free` }
  if (error === 'EADDRINUSE') {
    return {
      level: 'fail',
      what: `${what} is in use`,
      mend: `see by whom: ss -l${kind[0]}np 'sport = :${port}'; a running vnetscope counts too`,
    }
  }
  if (error === 'EAFNOSUPPORT')
    return { level: 'warn', what: `${what}: this machine has no IPv6`, mend: 'listen on 0.0.0.0' }
  if (error === 'EACCES')
    return {
      level: 'fail',
      what: `${what} may not be opened`,
      mend: 'choose a port from 1024 on, or give CAP_NET_BIND_SERVICE',
    }
  return { level: 'fail', what: `${what} can't be opened (${error})`, mend: 'name an address of this machine' }
}

function tryUdp(address: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = createSocket({ type: address.includes(':') ? 'udp6' : 'udp4' })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close()
      done(error.code ?? error.message)
    })
    socket.bind(port, address, () => socket.close(() => done(undefined)))
  })
}

function tryTcp(host: string, port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => done(error.code ?? error.message))
    server.listen(port, host, () => server.close(() => done(undefined)))
  })
}

/** Flows carry times of two clocks: this machine's and the exporter's. */
async function checkClock(): Promise<Finding[]> {
  const synchronised = await clockIsSynchronised()
  if (synchronised === undefined) return []
  if (synchronised) return [{ level: 'ok', what: 'clock: synchronised' }]
  return [
    {
      level: 'warn',
      what: `clock: ${new Date().toISOString()}, and the kernel does not know it as synchronised`,
      mend: 'run chrony or systemd-timesyncd, here or on the host of this container',
    },
  ]
}

/** adjtimex(2) with no change asked: STA_UNSYNC in the status, at byte 40 of struct timex on 64-bit Linux. */
async function clockIsSynchronised(): Promise<boolean | undefined> {
  try {
    const koffi = (await import('koffi')).default
    const adjtimex = koffi.load(null).func('int adjtimex(void *buf)') as (buffer: Uint8Array) => number
    const timex = Buffer.alloc(208)
    if (adjtimex(timex) < 0) return undefined
    return (timex.readInt32LE(40) & 0x40) === 0
  } catch {
    return undefined
  }
}

function effectiveCapabilities(): bigint {
  const line = /^CapEff:\s*([0-9a-f]+)$/m.exec(readText('/proc/self/status') ?? '')
  return BigInt(`0x${line?.[1] ?? '0'}`)
}

function has(capabilities: bigint, bit: number): boolean {
  return ((capabilities >> BigInt(bit)) & 1n) === 1n
}

function readText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(1)} GiB`
}

/** What the child process said, without Node's frame around it. */
function reasonOf(error: unknown): string {
  const { stderr } = error as { stderr?: string }
  return /^\w*Error[^:\n]*: (.+)$/m.exec(stderr ?? '')?.[1] ?? firstLine(error)
}

function firstLine(error: unknown): string {
  return (
    (error instanceof Error ? error.message : String(error)).split('\n').find((line) => line.trim() !== '') ??
    'no reason given'
  )
}
