import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfig } from './config.ts'
import { parseConfig } from './config-file.ts'

test('names are looked up unless told otherwise, and no database is needed', () => {
  assert.deepEqual(defaultConfig().names, {
    reverseDns: 'all',
    dnsServers: [],
    dnsPerSecond: 50,
    countries: null,
    autonomousSystems: null,
  })
})

test('name servers are addresses, with a port or without', () => {
  const good = ['192.0.2.53', '192.0.2.53:5353', '2001:db8::53', '[2001:db8::53]:5353']
  assert.deepEqual(parseConfig(`names: { dnsServers: ${JSON.stringify(good)} }`).config?.names.dnsServers, good)
  for (const wrong of ['dns.example.net', '192.0.2.53:0', '192.0.2.53:65536', '[192.0.2.53', '2001:db8::53:', '']) {
    const { problems } = parseConfig(`names:\n  dnsServers: ["${wrong}"]`)
    assert.deepEqual(
      problems.map(({ line, column, path }) => [line, column, path]),
      [[2, 16, 'names.dnsServers[0]']],
      wrong,
    )
    assert.match(problems[0]?.message ?? '', /a name server like 192\.0\.2\.53/)
  }
})

test('what is misspelt is said with what was meant', () => {
  const { problems } = parseConfig('names: { reverseDNS: off, dnsPerSecond: 0 }')
  assert.match(problems.map(({ message }) => message).join('\n'), /reverseDns[^]*from 1 to 10000/)
})
