import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { test } from 'node:test'
import { defaultConfig } from './config.ts'
import { checkNode, examine } from './doctor.ts'

test('an old Node is told what to start instead', () => {
  assert.deepEqual(checkNode('26.1.0'), [{ level: 'ok', what: 'Node 26.1.0' }])
  assert.match(checkNode('20.20.2')[0]?.mend ?? '', /bin\/vnetscope/)
})

test('this machine is looked at with everything real: the engine answers, and a port in use is named', async () => {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  const config = defaultConfig()
  const findings = await examine({
    ...config,
    http: { ...config.http, port: 0 },
    listeners: [{ address: '127.0.0.1', ports: [port], tcp: [], tls: null }],
  })
  socket.close()
  const failed = findings.filter(({ level }) => level === 'fail')
  assert.deepEqual(
    failed.map(({ what }) => what),
    [`udp 127.0.0.1:${port} is in use`],
  )
  assert.match(failed[0]?.mend ?? '', /ss -lunp/)
  assert.ok(findings.some(({ level, what }) => level === 'ok' && what.startsWith('embedded ClickHouse')))
  assert.ok(findings.some(({ level, what }) => level === 'ok' && what.startsWith('koffi')))
})
