// What numbers are called: countries and autonomous systems from MaxMind databases, names from a real name server,
// vendors and services, in a server from the datagram to the answer.

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { NamesAnswer, type NamesQuestion } from '../src/api/contract/names.ts'
import { parseIp } from '../src/base/address.ts'
import { writeMmdb } from '../src/enrich/mmdb.fixture.ts'
import { Netflow5Encoder } from '../src/wire/netflow5/encode.ts'
import { freePort, start, udpBound, until, type Program } from './interop/processes.ts'
import { startServer, temporaryFolder, totalsOf, type Server } from './interop/server.ts'

const folder = temporaryFolder()
let dns: Program
let server: Server

before(async () => {
  const port = await freePort()
  dns = start('dnsmasq', [
    '--no-daemon',
    '--conf-file=/dev/null',
    '--no-resolv',
    '--no-hosts',
    '--bind-interfaces',
    '--listen-address=127.0.0.1',
    `--port=${port}`,
    '--user=root',
    '--local=/2.0.192.in-addr.arpa/',
    '--log-queries',
    '--log-facility=-',
    '--host-record=web-1.example.test,10.20.0.1,2001:db8::1',
    '--ptr-record=7.113.0.203.in-addr.arpa,outside.example.test',
  ])
  await udpBound(port)
  mkdirSync(folder.path, { recursive: true })
  const countries = join(folder.path, 'country.mmdb')
  const systems = join(folder.path, 'asn.mmdb')
  writeFileSync(
    countries,
    writeMmdb({
      type: 'GeoLite2-Country',
      networks: [
        ['198.51.100.0/24', { country: { iso_code: 'CH' } }],
        ['203.0.113.0/24', { country: { iso_code: 'DE' } }],
      ],
    }),
  )
  writeFileSync(
    systems,
    writeMmdb({
      type: 'GeoLite2-ASN',
      networks: [
        ['203.0.113.0/24', { autonomous_system_number: 64_511, autonomous_system_organization: 'Example Networks' }],
        ['198.51.100.0/24', { autonomous_system_number: 64_500, autonomous_system_organization: 'Other Ltd.' }],
      ],
    }),
  )
  server = await startServer(join(folder.path, 'data'), {
    config: `names: { dnsServers: ["127.0.0.1:${port}"], countries: ${countries}, autonomousSystems: ${systems} }\n`,
  })
  await send()
  await server.stored(3)
})
after(async () => {
  await server.stop()
  await dns.stop()
  folder.remove()
})

const v4 = (text: string): Uint8Array => (parseIp(text) as Uint8Array).subarray(12)

/** Three flows; the exporter knows the autonomous system of one of them. */
async function send(): Promise<void> {
  const sent: Buffer[] = []
  const encoder = new Netflow5Encoder({ engineType: 0, engineId: 0, samplingInterval: 0 }, (bytes) =>
    sent.push(Buffer.from(bytes)),
  )
  encoder.now = Date.now()
  encoder.uptime = 60_000
  const flow = (srcAddr: string, dstAddr: string, octets: number, dstAs = 0): void =>
    encoder.add({
      srcAddr: v4(srcAddr),
      dstAddr: v4(dstAddr),
      nextHop: v4('0.0.0.0'),
      input: 1,
      output: 2,
      packets: 1,
      octets,
      first: 59_000,
      last: 59_500,
      srcPort: 50_000,
      dstPort: 443,
      tcpFlags: 2,
      protocol: 6,
      tos: 0,
      srcAs: 0,
      dstAs,
      srcMask: 0,
      dstMask: 0,
    })
  flow('10.20.0.1', '203.0.113.7', 1000)
  flow('10.20.0.1', '203.0.113.8', 200, 64_499)
  flow('198.51.100.9', '10.20.0.1', 30)
  encoder.flush()
  const socket = createSocket('udp4')
  for (const bytes of sent) await new Promise((done) => socket.send(bytes, server.port, '127.0.0.1', done))
  socket.close()
  await once(socket, 'close')
}

async function names(question: NamesQuestion): Promise<NamesAnswer> {
  const answer = await fetch(`${server.url}/api/v1/names`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(question),
  })
  assert.equal(answer.status, 200)
  return NamesAnswer.parse(await answer.json())
}

test('flows get the countries of both ends, and the systems that their exporter did not tell', async () => {
  const bytes = async (by: string, filter?: string): Promise<Record<string, number>> =>
    Object.fromEntries(
      Object.entries(totalsOf(await server.top([by], filter))).map(([key, total]) => [key, total.bytes]),
    )
  assert.deepEqual(await bytes('dst_country'), { '': 30, DE: 1200 })
  assert.deepEqual(await bytes('country'), { '': 1230, CH: 30, DE: 1200 })
  assert.deepEqual(await bytes('dst_as'), { '0': 30, '64499': 200, '64511': 1000 })
  assert.deepEqual(await bytes('src_as', 'src country ch'), { '64500': 30 })
  assert.deepEqual(await bytes('dst_addr', 'dst as "example *"'), { '203.0.113.7': 1000 })
  assert.deepEqual(await bytes('dst_addr', 'country in [CH]'), { '10.20.0.1': 30 })
})

test('names of addresses come from DNS in the background, are asked once, and so is what has none', async () => {
  const addresses = ['10.20.0.1', '2001:db8::1', '203.0.113.7', '192.0.2.1', '224.0.0.5', 'nonsense']
  const first = await names({ addresses })
  assert.deepEqual([first.pending, first.addresses['10.20.0.1']], [4, undefined], 'nothing is waited for')
  const known = await until('the names', async () => {
    const answer = await names({ addresses })
    return answer.pending === 0 ? answer : undefined
  })
  assert.deepEqual(known.addresses, {
    '10.20.0.1': { name: 'web-1.example.test' },
    '2001:db8::1': { name: 'web-1.example.test' },
    '203.0.113.7': { name: 'outside.example.test', country: 'DE', as: 64_511, asName: 'Example Networks' },
  })
  for (let i = 0; i < 3; i++) await names({ addresses })
  const queries = (address: string): number => dns.output().split(`query[PTR] ${address}`).length - 1
  assert.deepEqual(['1.0.20.10.', '1.2.0.192.', '5.0.0.224.'].map(queries), [1, 1, 0])
})

test('vendors, services and systems are named with them', async () => {
  const answer = await names({
    macs: ['00:50:56:00:00:01', 'fe:ed:00:00:00:01'],
    services: ['443/tcp', '1/icmp'],
    as: [64_511, 1],
  })
  assert.deepEqual(answer, {
    addresses: {},
    macs: { '00:50:56:00:00:01': 'VMware, Inc.' },
    services: { '443/tcp': { name: 'https', describe: 'http protocol over TLS/SSL' } },
    as: { '64511': 'Example Networks' },
    pending: 0,
  })
})

test('nothing is looked up where the configuration says so', async () => {
  const own = temporaryFolder()
  const quiet = await startServer(join(own.path, 'data'), { config: 'names: { reverseDns: off }\n' })
  try {
    const answer = await fetch(`${quiet.url}/api/v1/names`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ addresses: ['10.20.0.1'] }),
    })
    assert.deepEqual(((await answer.json()) as NamesAnswer).pending, 0)
  } finally {
    await quiet.stop()
    own.remove()
  }
})

test('who looks at flows as they come gets them with all their names, and the filter knows these', async () => {
  const filter = encodeURIComponent('src country ch or dst as "example *"')
  const controller = new AbortController()
  const answer = await fetch(
    `${server.url}/api/v1/flows/stream?filter=${filter}&by=src_country,dst_country,dst_as,bytes`,
    {
      signal: controller.signal,
    },
  )
  const reader = (answer.body as ReadableStream<Uint8Array>).getReader()
  const next = async (): Promise<string> => new TextDecoder().decode((await reader.read()).value)
  let text = await next()
  await send()
  while (text.trim().split('\n').length < 2) text += await next()
  assert.deepEqual(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as unknown),
    [
      { src_country: '', dst_country: 'DE', dst_as: 64_511, bytes: 1000 },
      { src_country: 'CH', dst_country: '', dst_as: 0, bytes: 30 },
    ],
  )
  controller.abort()
})
