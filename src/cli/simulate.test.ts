import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

const executable = join(import.meta.dirname, '..', '..', 'bin', 'vnetscope')

interface Received {
  readonly status: number | null
  readonly stderr: string
  readonly datagrams: number
  readonly bytes: number
  readonly sources: Set<string>
}

/** Runs the command against a socket of the test, and answers what came. */
async function simulate(t: TestContext, ...args: string[]): Promise<Received> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 8 * 2 ** 20 })
  t.after(() => socket.close())
  const sources = new Set<string>()
  let datagrams = 0
  let bytes = 0
  socket.on('message', (message, { address }) => {
    datagrams++
    bytes += message.length
    sources.add(address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const child = spawn(executable, ['simulate', '--to', `127.0.0.1:${socket.address().port}`, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  const [status] = (await once(child, 'close')) as [number | null]
  // What the command sent is in the socket by now: one more turn hands it on.
  const end = Date.now() + 10_000
  while (datagrams < told(stderr, 'datagrams') && Date.now() < end) await new Promise((done) => setTimeout(done, 10))
  return { status, stderr, datagrams, bytes, sources }
}

function told(stderr: string, what: string): number {
  return Number(new RegExp(`(\\d+) ${what}`).exec(stderr)?.[1])
}

test('it sends what it says from one address for each switch, and writes the truth', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-simulate-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const truth = join(folder, 'truth.tsv')
  const received = await simulate(
    t,
    ...['--max', '--duration', '20s', '--hosts', '4', '--vms', '20', '--pps', '20k', '--seed', '3', '--truth', truth],
  )
  assert.equal(received.status, 0, received.stderr)
  assert.match(received.stderr, /^simulating 4 hosts with 20 VMs, exporting to 127\.0\.0\.1:\d+\n/)
  assert.equal(received.datagrams, told(received.stderr, 'datagrams'))
  assert.equal(received.bytes, Number(/\((\d+) bytes\)/.exec(received.stderr)?.[1]))
  assert.equal(received.sources.size, 4)
  const [head, ...lines] = readFileSync(truth, 'utf8').trimEnd().split('\n')
  assert.equal(head, 'time\tkind\tname\tdirection\tpackets\tbytes\tip_bytes')
  const packets = lines
    .map((line) => line.split('\t'))
    .filter(([, kind]) => kind === 'total')
    .reduce((sum, cells) => sum + Number(cells[4]), 0)
  assert.equal(packets, told(received.stderr, 'packets'))
})

test('it ends after a number of datagrams, at the pace of the clock', async (t) => {
  const received = await simulate(t, '--count', '30', '--speed', '20', '--protocol', 'mixed', '--fps', '2000')
  assert.equal(received.status, 0, received.stderr)
  assert.ok(received.datagrams >= 30)
})

test('what can not be is said in one sentence', async (t) => {
  for (const [args, status, said] of [
    [['--hosts', '0'], 1, /^vnetscope: hosts must be a whole number from 1 to 10000, not 0\n$/],
    [['--truth', '/nowhere/truth.tsv'], 1, /^vnetscope: can't write \/nowhere\/truth\.tsv: ENOENT/],
    [['--pps', 'many'], 2, /expected a number, such as 400, 250k or 2M/],
    [['--start', 'soon'], 2, /expected a time/],
    [['--protocol', 'netflow7'], 2, /Allowed choices are/],
    [['--to', 'nowhere'], 2, /expected host:port/],
    [['--to', 'name.invalid:6343'], 1, /^vnetscope: can't send to name\.invalid:6343/],
  ] as const) {
    const received = await simulate(t, ...args)
    assert.equal(received.status, status, received.stderr)
    assert.match(received.stderr, said)
    assert.doesNotMatch(received.stderr, /\n\s+at /)
  }
})
