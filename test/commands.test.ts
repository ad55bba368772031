import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, closeSync, existsSync, mkdirSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { someFlows, writePcap } from './interop/frames.ts'
import type { KnownFlow } from './interop/frames.ts'
import { freePort, run, start, until } from './interop/processes.ts'
import { executable, startServer, temporaryFolder, totalsOf } from './interop/server.ts'

// The commands as a user meets them: what they say and how they end when something is wrong, and that a server can be
// ended and started again.

const folder = temporaryFolder()
after(() => folder.remove())

async function vnetscope(...args: string[]): Promise<{ status: number | null; output: string }> {
  return await vnetscopeIn({}, ...args)
}

async function vnetscopeIn(
  env: NodeJS.ProcessEnv,
  ...args: string[]
): Promise<{ status: number | null; output: string }> {
  await using program = start(executable, args, { env })
  const status = await program.ended
  return { status, output: program.output() }
}

/** One clear sentence: no stack, no more than a hint below it. */
function assertClear(output: string, said: RegExp): void {
  assert.match(output, said)
  assert.doesNotMatch(output, /\n\s+at /)
  assert.doesNotMatch(output, /\bError\b/)
}

function configFile(name: string, text: string): string {
  const file = join(folder.path, name)
  writeFileSync(file, text)
  return file
}

test('a flag that does not exist, or one without its value, ends with 2', async () => {
  for (const args of [
    ['serve', '--nope'],
    ['serve', '--data'],
    ['serve', 'extra'],
    ['decode'],
    ['replay'],
    ['replay', 'a.pcap', '--to', '127.0.0.1:9', '--rate', '10', '--max'],
    ['query', '--nope'],
    ['simulate', '--nope'],
  ]) {
    const { status, output } = await vnetscope(...args)
    assert.equal(status, 2, `${args.join(' ')}: ${output}`)
    assertClear(output, /error: /)
  }
})

test('a broken configuration keeps the server from starting, with every problem and its place', async () => {
  const file = configFile('broken.yaml', 'http:\n  prot: 80\nlisteners: 7\n')
  const { status, output } = await vnetscope('serve', '--data', join(folder.path, 'broken'), '--config', file)
  assert.equal(status, 1)
  assertClear(output, /broken\.yaml:2:3: http\.prot: no such option; did you mean port\?/)
  assert.match(output, /broken\.yaml:3:12: listeners: expected a list of listeners, found 7/)
})

test('an HTTP port in use is said in one sentence, with status 1', async () => {
  const squatter = createServer()
  squatter.listen(0, '127.0.0.1')
  await once(squatter, 'listening')
  const { port } = squatter.address() as AddressInfo
  const file = configFile('http.yaml', `listeners: [{ address: 127.0.0.1, ports: [${await freePort()}] }]\n`)
  const { status, output } = await vnetscope(
    'serve',
    '--data',
    join(folder.path, 'http'),
    '--http',
    `127.0.0.1:${port}`,
    '--config',
    file,
  )
  squatter.close()
  assert.equal(status, 1, output)
  assertClear(output, new RegExp(`${port}.*(in use|taken by)`))
})

test('a UDP port in use is said in one sentence, with status 1', async () => {
  const squatter = createSocket('udp4')
  squatter.bind(0, '127.0.0.1')
  await once(squatter, 'listening')
  const { port } = squatter.address()
  const file = configFile('udp.yaml', `listeners: [{ address: 127.0.0.1, ports: [${port}] }]\n`)
  const { status, output } = await vnetscope(
    'serve',
    '--data',
    join(folder.path, 'udp'),
    '--http',
    '127.0.0.1:0',
    '--config',
    file,
  )
  squatter.close()
  assert.equal(status, 1, output)
  assertClear(output, new RegExp(`${port}.*(in use|taken by)`))
})

test('a data directory that is a file is said in one sentence, with status 1', async () => {
  const file = configFile('taken', 'not a directory')
  const { status, output } = await vnetscope('serve', '--data', join(file, 'below'), '--http', '127.0.0.1:0')
  assert.equal(status, 1, output)
  assertClear(output, /taken/)
})

test('a data directory that may not be written is said in one sentence, with status 1', async () => {
  // Root may write anywhere but here.
  const readOnly = process.getuid?.() === 0 ? '/sys/vnetscope' : join(folder.path, 'read-only')
  if (process.getuid?.() !== 0) {
    mkdirSync(readOnly)
    chmodSync(readOnly, 0o500)
  }
  const { status, output } = await vnetscope('serve', '--data', join(readOnly, 'data'), '--http', '127.0.0.1:0')
  assert.equal(status, 1, output)
  assertClear(output, new RegExp(readOnly))
})

test('two servers on one data directory: the second says so and ends with 1', async () => {
  const data = join(folder.path, 'shared')
  await using first = await startServer(data)
  const file = configFile('second.yaml', `listeners: [{ address: 127.0.0.1, ports: [${await freePort()}] }]\n`)
  const { status, output } = await vnetscope('serve', '--data', data, '--http', '127.0.0.1:0', '--config', file)
  assert.equal(status, 1, output)
  assertClear(output, /shared/)
  assert.equal((await first.health()).status, 'ok')
  assert.equal(await first.stop(), 0)
})

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} drains and ends with 0 in under five seconds, and a second start finds everything`, async () => {
    const data = join(folder.path, `restart-${signal}`)
    const capture = join(folder.path, 'known.pcap')
    const flows = someFlows(120)
    writePcap(capture, flows, Date.now() - 60_000)

    await using first = await startServer(data)
    run('softflowd', ['-r', capture, '-n', `127.0.0.1:${first.port}`, '-v', '9', '-d'])
    await first.stored(flows.length)
    const before = totalsOf(await first.top(['src_addr', 'dst_addr']), { flows: true })
    const asked = performance.now()
    assert.equal(await first.program.stop(signal), 0, first.program.output())
    const seconds = (performance.now() - asked) / 1000
    assert.ok(seconds < 5, `it took ${seconds.toFixed(1)} s`)
    assertClear(first.program.output(), /http:\/\//)

    await using second = await startServer(data)
    assert.deepEqual(totalsOf(await second.top(['src_addr', 'dst_addr']), { flows: true }), before)
    assert.equal((await second.health()).store.flows, flows.length)
    assert.equal(await second.stop(), 0)
  })
}

test('flows that were received a moment before SIGTERM are there after the next start', async () => {
  const data = join(folder.path, 'drained')
  const capture = join(folder.path, 'drained.pcap')
  const flows = someFlows(90)
  writePcap(capture, flows, Date.now() - 60_000)
  await using first = await startServer(data)
  run('softflowd', ['-r', capture, '-n', `127.0.0.1:${first.port}`, '-v', '5', '-d'])
  assert.equal(await first.stop(), 0)
  assert.ok(existsSync(data))
  await using second = await startServer(data)
  await second.stored(flows.length)
  const { total } = await second.top(['proto'])
  assert.equal(total.flows, flows.length)
  assert.equal(await second.stop(), 0)
})

test('a filter that is saved is there after the next start, also for who asks the files', async () => {
  const data = join(folder.path, 'saved')
  const query = (...args: string[]) => vnetscope('query', ...args)
  {
    await using first = await startServer(data)
    const saved = await fetch(`${first.url}/api/v1/filters/web`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ filter: 'proto tcp and port in [80, 443]' }),
    })
    assert.equal(saved.status, 200)
    assert.equal(await first.stop(), 0)
  }
  {
    await using second = await startServer(data)
    assert.equal((await second.top([], 'not @web')).total.flows, 0)
    const unknown = await query('ipv4 and @wbe', '--url', second.url)
    assert.equal(unknown.status, 1)
    assertClear(unknown.output, /no filter is saved under the name “wbe”\n  ipv4 and @wbe\n {11}\^{4}\n/)
    assert.match(unknown.output, /did you mean “@web”/)
    assert.equal(await second.stop(), 0)
  }
  const { status, output } = await query('@WEB and ipv4', '-A', 'none', '--data', data)
  assert.equal(status, 0, output)
  assertClear(await query('@wbe', '--data', data).then((answer) => answer.output), /“wbe”\n  @wbe\n  \^{4}/)
})

test('doctor says what is free, what is in use and what to do, with a status to match', async () => {
  const file = configFile(
    'doctor.yaml',
    `http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [${await freePort()}] }]\n`,
  )
  const well = await vnetscope('doctor', '--config', file, '--data', join(folder.path, 'doctor'))
  assert.equal(well.status, 0, well.output)
  assert.match(well.output, /^ok +embedded ClickHouse/m)
  await using server = await startServer(join(folder.path, 'doctored'))
  const busy = configFile(
    'busy.yaml',
    `http: { port: 0 }\nlisteners: [{ address: 127.0.0.1, ports: [${server.port}] }]\n`,
  )
  const ill = await vnetscope('doctor', '--config', busy, '--data', join(folder.path, 'doctor'))
  assert.equal(await server.stop(), 0)
  assert.equal(ill.status, 1)
  assert.match(ill.output, new RegExp(`^FAIL +udp 127\\.0\\.0\\.1:${server.port} is in use\n +→ `, 'm'))
})

/** The environment in which no package whose name starts so is found, in this process and those that it starts. */
function without(prefix: string): NodeJS.ProcessEnv {
  const hook = join(folder.path, `without-${prefix.replaceAll(/\W/g, '')}.mjs`)
  writeFileSync(
    hook,
    `import { registerHooks } from 'node:module'
registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith(${JSON.stringify(prefix)})) {
      throw Object.assign(new Error('Cannot find module ' + specifier), { code: 'MODULE_NOT_FOUND' })
    }
    return next(specifier, context)
  },
})
`,
  )
  return { NODE_OPTIONS: `--import ${hook}` }
}

test('without the library of the store the server says what to install, and ends with 1', async () => {
  const file = configFile('no-engine.yaml', `listeners: [{ address: 127.0.0.1, ports: [${await freePort()}] }]\n`)
  const data = join(folder.path, 'no-engine')
  const { status, output } = await vnetscopeIn(
    without('@chdb/'),
    'serve',
    '--data',
    data,
    '--http',
    '127.0.0.1:0',
    '--config',
    file,
  )
  assert.equal(status, 1, output)
  assertClear(output, /engine's library cannot be loaded/)
  assert.match(output, /npm install/)
})

test('without koffi the server receives by dgram and says so', async () => {
  await using server = await startServer(join(folder.path, 'no-koffi'), { env: without('koffi') })
  const flows = someFlows(60)
  const capture = join(folder.path, 'no-koffi.pcap')
  writePcap(capture, flows, Date.now() - 60_000)
  run('softflowd', ['-r', capture, '-n', `127.0.0.1:${server.port}`, '-v', '9', '-d'])
  const health = await server.stored(flows.length)
  assert.equal(health.listeners[0]?.receiver, 'dgram')
  assert.match(server.program.output(), /koffi could not be loaded/)
  assert.equal(await server.stop(), 0)
})

/** A file system of its own that holds so many megabytes. */
function smallDisk(name: string, megabytes: number): { path: string } & Disposable {
  const path = join(folder.path, name)
  mkdirSync(path)
  run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path])
  return { path, [Symbol.dispose]: () => run('umount', ['--lazy', path]) }
}

/** Takes all the room that there is, until the file is removed. */
function fill(file: string): void {
  const chunk = Buffer.alloc(65_536)
  const descriptor = openSync(file, 'w')
  try {
    for (;;) writeSync(descriptor, chunk)
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
  } finally {
    closeSync(descriptor)
  }
}

test('a full disk keeps the server from starting, in one sentence', async () => {
  using disk = smallDisk('full', 1)
  fill(join(disk.path, 'ballast'))
  const file = configFile('full.yaml', `listeners: [{ address: 127.0.0.1, ports: [${await freePort()}] }]\n`)
  const { status, output } = await vnetscope(
    'serve',
    '--data',
    join(disk.path, 'data'),
    '--http',
    '127.0.0.1:0',
    '--config',
    file,
  )
  assert.equal(status, 1, output)
  assertClear(output, /full/)
})

test('a disk that fills up costs what comes meanwhile, counted and with the reason, and nothing that was accepted', async () => {
  using disk = smallDisk('filling', 400)
  await using server = await startServer(join(disk.path, 'data'))
  const send = (flows: readonly KnownFlow[]): void => {
    const capture = join(folder.path, 'filling.pcap')
    writePcap(capture, flows, Date.now() - 60_000)
    run('softflowd', ['-r', capture, '-n', `127.0.0.1:${server.port}`, '-v', '5', '-d'])
  }
  const flows = someFlows(100)
  send(flows)
  await server.stored(100)

  fill(join(disk.path, 'ballast'))
  send(flows)
  const full = await until('flows to be refused', async () => {
    const health = await server.health()
    return health.ledger.flows.spoolRefused > 0 ? health : undefined
  })
  assert.equal(full.status, 'degraded')
  assert.match(full.reasons.join(' '), /The spool refuses flows: .*(bytes left|is full)/)

  rmSync(join(disk.path, 'ballast'))
  send(flows)
  const { ledger } = await server.stored(200)
  assert.equal(ledger.flows.spoolRefused, 100)
  assert.equal((await server.top(['proto'])).total.flows, 200)
  assert.equal(await server.stop(), 0)
})
