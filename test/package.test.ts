import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { reachableFiles } from '../bench/package-files.ts'
import { parseIp } from '../src/base/address.ts'
import { pcapHeader, pcapPacket, udpPacket } from '../src/capture/pcap-writer.ts'
import { IpfixEncoder } from '../src/wire/ipfix/encode.ts'
import { SflowEncoder } from '../src/wire/sflow/encode.ts'
import { freePort, run, start, until } from './interop/processes.ts'
import { startServer } from './interop/server.ts'

// What `npm pack` makes, installed in an empty folder elsewhere as a user would, and used from there: the entries by
// JavaScript and TypeScript, the command, the server.

const root = join(import.meta.dirname, '..')
const ENTRIES = ['sflow', 'netflow', 'ipfix', 'packet', 'filter'] as const

const temporary = mkdtempSync(join(tmpdir(), 'vnetscope-package-'))
after(() => rmSync(temporary, { recursive: true, force: true }))
/** Installed whole, for the server. */
const folder = join(temporary, 'server')
/** Installed as the how-to says for programs that want the entries alone. */
const lean = join(temporary, 'lean')
const installed = join(folder, 'node_modules', 'vnetscope')
const command = join(folder, 'node_modules', '.bin', 'vnetscope')

/** As in a user's shell: the Node of the machine, and nothing that npm or a test runner has set. */
function shell(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {}
  for (const name of Object.keys(process.env)) if (/^(?:npm_|NODE)/.test(name)) env[name] = undefined
  const path = (process.env['PATH'] ?? '').split(':').filter((part) => !part.includes('node_modules'))
  return { ...env, PATH: path.join(':') }
}

const runIn = (where: string, program: string, ...args: string[]): string =>
  run('env', ['-C', where, program, ...args], { env: shell(), seconds: 300 })

/** Runs a module beside the lean installation with the machine's own Node. */
function runModule(name: string, text: string, ...args: string[]): string {
  writeFileSync(join(lean, name), text)
  return runIn(lean, 'node', name, ...args)
}

let packed: string[] = []

before(async () => {
  runIn(root, 'npm', 'pack', '--loglevel=error', '--pack-destination', temporary)
  const tarball = join(temporary, readdirSync(temporary).find((name) => name.endsWith('.tgz')) as string)
  packed = run('tar', ['-tzf', tarball])
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''))
  await Promise.all([install(folder, tarball), install(lean, tarball, '--omit=optional', '--ignore-scripts')])
})

async function install(where: string, tarball: string, ...flags: string[]): Promise<void> {
  mkdirSync(where)
  writeFileSync(join(where, 'package.json'), '{ "private": true, "type": "module" }')
  const args = ['install', '--no-audit', '--no-fund', '--prefer-offline', '--loglevel=error', tarball, ...flags]
  await using npm = start('env', ['-C', where, 'npm', ...args], { env: shell() })
  assert.equal(await npm.ended, 0, npm.output())
}

describe('the packed file', () => {
  test('holds JavaScript with types, the console and the command, and nothing of the workshop', () => {
    for (const name of ['bin/vnetscope', 'dist/cli/main.js', 'web/dist/index.html', 'README.md', 'LICENSE'])
      assert.ok(packed.includes(name), name)
    for (const name of packed) {
      assert.doesNotMatch(name, /\.(?:test|fixture)\.|^(?:src|test|bench|scripts)\/|node_modules|\.tsbuildinfo$/)
      assert.ok(!/\.ts$/.test(name) || /\.d\.ts$/.test(name), name)
    }
  })

  test('has entries that need no other package; packets and filters need no Node', () => {
    for (const entry of ENTRIES) {
      const { outside } = reachableFiles(join(installed, 'dist', 'exports', `${entry}.js`))
      assert.deepEqual(outside, [], entry)
    }
    for (const entry of ['packet', 'filter']) {
      for (const file of reachableFiles(join(installed, 'dist', 'exports', `${entry}.js`)).files)
        assert.doesNotMatch(readFileSync(file, 'utf8'), /^[^/*]*\b(?:Buffer\.|process\.|require\()/m, file)
    }
  })

  test('has no other entries than those that are meant', () => {
    for (const path of ['dist/cli/main.js', 'src/cli/main.ts', 'dist/wire/sflow/reader.js']) {
      assert.throws(() => createRequire(join(folder, 'x.js')).resolve(`vnetscope/${path}`), {
        code: 'ERR_PACKAGE_PATH_NOT_EXPORTED',
      })
    }
  })
})

describe('the entries', () => {
  test('decode what they encode, in plain JavaScript', () => {
    const printed = runModule(
      'round-trip.js',
      `
import { strict as assert } from 'node:assert'
import { createSflowReader, FLOW_STRUCTURES, HEADER_PROTOCOL, SflowEncoder, SOURCE_CLASS } from 'vnetscope/sflow'
import { createNetflowReader, Netflow5Encoder, Netflow9Encoder } from 'vnetscope/netflow'
import {
  createNetflowReader as createIpfixReader, elementName, elementOf, IpfixEncoder, MessageFramer, parseElements, readIpfixFile,
} from 'vnetscope/ipfix'
import { packetAsJson, parseIp } from 'vnetscope/packet'
import { formatFilter, parseFilter } from 'vnetscope/filter'

const frame = Buffer.from('52540000000252540000000181000078' + '0800' +
  '450000280001000040110000c0000201c6336401' + 'd431003500140000', 'hex')

const decoded = []
const sflow = createSflowReader()
const agent = new SflowEncoder({ agent: parseIp('2001:db8::9'), subAgent: 3 }, (datagram) => {
  decoded.push(...sflow.read(datagram, '192.0.2.9', 1_700_000_000_000))
})
agent.beginFlowSample(11, SOURCE_CLASS.ifIndex, 5, 400, 4_400, 1, 5, 6)
agent.sampledHeader(HEADER_PROTOCOL.ethernet, 1_000, 0, frame, frame.length)
agent.endSample()
agent.beginCountersSample(12, SOURCE_CLASS.ifIndex, 5)
agent.portName('eth5')
agent.endSample()
agent.flush()
assert.deepEqual(decoded.map(({ kind, agent, sequence }) => [kind, agent, sequence]),
  [['flow_sample', '2001:db8::9', 11], ['counter_sample', '2001:db8::9', 12]])
assert.equal(decoded[0].flow.vlan_in, 120)
assert.equal(decoded[0].flow.bytes, 1_000)
assert.equal(decoded[0].flow.time_received, '2023-11-14T22:13:20.000Z')
assert.equal(packetAsJson(frame).vlan_in, 120)
assert.ok([...FLOW_STRUCTURES.values()].some(({ name }) => name === 'sampled_header'))

const template = { id: 256, fields: [[8, 4], [12, 4], [1, 4], [2, 4]].map(([type, length]) => ({ type, length })) }
const flows = []
const netflow = createNetflowReader()
const nine = new Netflow9Encoder({ sourceId: 4 }, (datagram) => flows.push(...netflow.read(datagram, '192.0.2.9')))
nine.template(template)
nine.beginRecord(template)
nine.octets(Uint8Array.of(192, 0, 2, 1))
nine.octets(Uint8Array.of(192, 0, 2, 2))
nine.u32(777)
nine.u32(3)
nine.endRecord()
nine.flush()
const address = Uint8Array.of(192, 0, 2, 7)
const five = new Netflow5Encoder({ engineType: 0, engineId: 1, samplingInterval: 0 },
  (datagram) => flows.push(...netflow.read(datagram, '192.0.2.9')))
five.add({ srcAddr: address, dstAddr: address, nextHop: address, input: 1, output: 2, packets: 3, octets: 888, first: 0,
  last: 0, srcPort: 1, dstPort: 2, tcpFlags: 0, protocol: 6, tos: 0, srcAs: 0, dstAs: 0, srcMask: 0, dstMask: 0 })
five.flush()
assert.deepEqual(flows.filter(({ kind }) => kind === 'flow').map(({ protocol, flow }) => [protocol, flow.src_addr, flow.bytes]),
  [['netflow9', '192.0.2.1', 777], ['netflow5', '192.0.2.7', 888]])

assert.equal(elementName(0, 8), 'sourceIPv4Address')
assert.equal(elementOf(0, 8).type, 'ipv4Address')
const own = parseElements('64512 1 tenantName string')
const ipfix = createIpfixReader({ elements: own.elements })
const named = { id: 300, fields: [{ enterprise: 64512, element: 1, length: 4 }] }
const records = []
const messages = []
const ten = new IpfixEncoder({ observationDomain: 1 }, (message) => {
  messages.push(message.slice())
  records.push(...ipfix.read(message, '192.0.2.9'))
})
ten.template(named)
ten.beginRecord(named)
ten.octets(Buffer.from('blue'))
ten.endRecord()
ten.flush()
assert.deepEqual(records.find(({ kind }) => kind === 'flow').fields, { tenantName: 'blue' })
const filed = []
async function* file() {
  yield* messages
  yield* messages
}
for await (const { bytes } of readIpfixFile(file(), assert.fail)) filed.push(bytes.length)
assert.deepEqual(filed, [messages[0].length, messages[0].length])
const framed = []
const framer = new MessageFramer()
for (const byte of messages[0]) assert.ok(framer.push(Uint8Array.of(byte), (_view, _offset, length) => framed.push(length)))
assert.deepEqual(framed, [messages[0].length])
assert.deepEqual(ipfix.read(Uint8Array.of(0, 10, 0), '192.0.2.9').map(({ kind }) => kind), ['problem'])

const filter = parseFilter('vlan 120 and (dst port 443)')
assert.equal(formatFilter(filter.ast), 'vlan 120 and dst port 443')
assert.equal(parseFilter('vlna 1').ok, false)
console.log('done')
`,
    )
    assert.equal(printed, 'done\n')
  })

  test('can be required by CommonJS', () => {
    const program = `console.log(${ENTRIES.map((entry) => `typeof require('vnetscope/${entry}')`).join(', ')})`
    const printed = runIn(lean, 'node', '--no-warnings', '--input-type=commonjs', '-e', program)
    assert.equal(printed, 'object object object object object\n')
  })

  test('have types that say what is there, without the types of Node', () => {
    writeFileSync(
      join(lean, 'consumer.ts'),
      `
import { createSflowReader, createColumnDecoder, createSflowIngest, systemClock, type SflowDecoded } from 'vnetscope/sflow'
import { createNetflowReader, Netflow5Encoder, Netflow9Encoder, type NetflowReader } from 'vnetscope/netflow'
import { IpfixEncoder, type DecodedRecord, type IpfixTemplate } from 'vnetscope/ipfix'
import { createPacketColumns, dissect, packetAsJson, readCapture, START } from 'vnetscope/packet'
import { parseFilter, type FilterNode } from 'vnetscope/filter'

const bytes = new Uint8Array(64)
const samples: SflowDecoded[] = createSflowReader().read(bytes, '192.0.2.1')
for (const sample of samples) {
  if (sample.kind === 'flow_sample') sample.samplingRate.toFixed()
  // @ts-expect-error only flow samples have a rate
  if (sample.kind === 'counter_sample') sample.samplingRate.toFixed()
}
const netflow: NetflowReader = createNetflowReader()
const records: DecodedRecord[] = netflow.read(bytes, '192.0.2.1')
const template: IpfixTemplate = { id: 256, fields: [{ element: 8, length: 4 }] }
const emitted: Uint8Array[] = []
new IpfixEncoder({ observationDomain: 1 }, (message) => emitted.push(message)).template(template)
new Netflow9Encoder({ sourceId: 1 }, (datagram) => emitted.push(datagram)).flush()
// @ts-expect-error the engine is missing
new Netflow5Encoder({}, () => undefined)
const vni: number | undefined = packetAsJson(bytes).vni
// @ts-expect-error it may be absent
const certain: number = packetAsJson(bytes).vni
const seen: number = dissect(new DataView(bytes.buffer), 0, 64, START.ethernet, createPacketColumns(), 0)
const filter = parseFilter('vlan 120')
const tree: FilterNode | undefined = filter.ok ? filter.ast : undefined
let sum = 0
createColumnDecoder(createSflowIngest({}, { clock: systemClock }), {
  batch(flows) {
    sum += flows.bytes[0] ?? 0
  },
}).decode(bytes, '192.0.2.1')
export { certain, readCapture, records, seen, sum, tree, vni }
`,
    )
    const tsc = createRequire(import.meta.url).resolve('typescript/package.json')
    const strict = '--strict --noEmit --skipLibCheck false --exactOptionalPropertyTypes --noUncheckedIndexedAccess'
    runIn(
      lean,
      process.execPath,
      join(dirname(tsc), 'bin', 'tsc'),
      ...`${strict} --module nodenext --target es2024 --lib es2024 --types`.split(' '),
      '',
      'consumer.ts',
    )
  })
})

describe('the examples of the how-to', () => {
  const page = readFileSync(join(root, 'docs', 'how-to', 'use-the-codecs.md'), 'utf8')
  const examples = [...page.matchAll(/```js(?: (\w+))?\n([\s\S]*?)```(?:\n+```text\n([\s\S]*?)```)?/g)].map(
    ([, kind = '', text = '', printed]) => ({ kind, text, printed }),
  )

  test('print what the page says', () => {
    const plain = examples.filter(({ kind }) => kind === '')
    assert.ok(plain.length >= 5)
    for (const [i, { text, printed }] of plain.entries()) assert.equal(runModule(`example-${i}.js`, text), printed)
  })

  test('listen on a port', async () => {
    const port = await freePort()
    const example = examples.find(({ kind }) => kind === 'listen')
    writeFileSync(join(lean, 'listen.js'), (example?.text ?? '').replace('6343', String(port)))
    await using program = start('env', ['-C', lean, 'node', 'listen.js'], { env: shell() })
    const socket = createSocket('udp4')
    const agent = new SflowEncoder({ agent: parseIp('192.0.2.9') as Uint8Array, subAgent: 0 }, (datagram) =>
      socket.send(Buffer.from(datagram), port, '127.0.0.1'),
    )
    const line = await until('the example to print a sample', () => {
      agent.beginCountersSample(1, 0, 5)
      agent.portName('eth5')
      agent.endSample()
      agent.flush()
      return /^(\{.*\})$/m.exec(program.output())?.[1]
    })
    socket.close()
    const { kind, records } = JSON.parse(line) as { kind: string; records: unknown }
    assert.deepEqual([kind, records], ['counter_sample', [{ type: 'port_name', name: 'eth5' }]])
  })

  test('read a capture', () => {
    const example = examples.find(({ kind }) => kind === 'capture')
    const printed = runModule('capture.js', example?.text ?? '', capture())
    assert.deepEqual(JSON.parse(printed), { octetDeltaCount: 4_242 })
  })
})

describe('the command', () => {
  test('takes the Node of the machine where the package brought none, and says what to do if that is too old', async () => {
    const program = join(lean, 'node_modules', '.bin', 'vnetscope')
    const withNode = (node: string): ReturnType<typeof start> => {
      const folderOf = join(temporary, node)
      mkdirSync(folderOf)
      const lines = node === 'old' ? 'exit 1' : `exec "${process.execPath}" "$@"`
      writeFileSync(join(folderOf, 'node'), `#!/bin/sh\n${lines}\n`, { mode: 0o755 })
      return start(program, ['--version'], { env: { ...shell(), PATH: `${folderOf}:/usr/bin:/bin` } })
    }
    await using fresh = withNode('new')
    assert.equal(await fresh.ended, 0, fresh.output())
    await using old = withNode('old')
    assert.equal(await old.ended, 1)
    assert.match(old.output(), /Node 26 or later is not there\n.*without --ignore-scripts/)
  })

  test('says its version and its help', () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
    assert.equal(runIn(folder, command, '--version'), `${version}\n`)
    assert.match(runIn(folder, command, 'serve', '--help'), /--data/)
  })

  test('decodes a capture', () => {
    const lines = runIn(folder, command, 'decode', capture()).trim().split('\n')
    assert.deepEqual(
      lines.map((line) => (JSON.parse(line) as { flow: { bytes: number } }).flow.bytes),
      [4_242],
    )
  })

  test('serves: it answers, shows the console, stores what it is sent, and ends when it is told to', async () => {
    const data = join(folder, 'data')
    mkdirSync(data)
    const server = await startServer(data, { executable: command, env: shell() })
    try {
      const { status, version } = (await (await fetch(`${server.url}/api/v1/health`)).json()) as Record<string, unknown>
      assert.deepEqual([status, version], ['ok', runIn(folder, command, '--version').trim()])
      const console = await fetch(`${server.url}/`)
      assert.equal(console.status, 200)
      assert.match(await console.text(), /<div id="root">/)
      assert.ok(existsSync(join(installed, 'web', 'dist', 'index.html')))
      runIn(folder, command, 'replay', capture(), '--to', `127.0.0.1:${server.port}`)
      await server.stored(1)
    } finally {
      assert.equal(await server.stop(), 0)
    }
  })
})

/** A pcap of one IPFIX message with one flow. */
function capture(): string {
  const template = { id: 256, fields: [{ element: 1, length: 4 }] }
  const messages: Uint8Array[] = []
  const exporter = new IpfixEncoder({ observationDomain: 1 }, (message) => messages.push(message.slice()))
  exporter.now = Date.now()
  exporter.template(template)
  exporter.beginRecord(template)
  exporter.u32(4_242)
  exporter.endRecord()
  exporter.flush()
  const ends = { from: [192, 0, 2, 9], to: [192, 0, 2, 10], fromPort: 4739, toPort: 4739 } as const
  const file = join(folder, 'flows.pcap')
  const seconds = Math.floor(Date.now() / 1000)
  writeFileSync(
    file,
    Buffer.concat([pcapHeader(101), ...messages.map((message) => pcapPacket(seconds, 0, udpPacket(ends, message)))]),
  )
  return file
}
