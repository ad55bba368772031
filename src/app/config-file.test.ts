import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { OperatorError, UserError } from '../base/errors.ts'
import { loadConfig, parseConfig, problemText } from './config-file.ts'
import { parseBytes } from './config-values.ts'
import { defaultConfig } from './config.ts'

function problems(source: string): string[] {
  return parseConfig(source).problems.map((problem) => problemText('f', problem))
}

test('an empty file, a file of comments and no file at all are the defaults', () => {
  for (const source of ['', '# nothing\n', '---\n', '{}\n'])
    assert.deepEqual(parseConfig(source).config, defaultConfig())
  assert.deepEqual(loadConfig(undefined), defaultConfig())
})

test('the defaults receive sFlow, NetFlow and IPFIX on their usual ports and show the console to this machine alone', () => {
  const config = defaultConfig()
  assert.deepEqual(config.listeners, [{ address: '::', ports: [2055, 4739, 6343], tcp: [], tls: null }])
  assert.deepEqual(config.http, { host: '127.0.0.1', port: 8080, trustProxy: [] })
  assert.equal(config.receive.buffer, 32 * 2 ** 20)
})

test('every problem of a file comes with its line, its column and what was expected there', () => {
  const source = `# comment
http:
  prot: 8080
  port: abc
listeners:
  - address: 1.2.3
    ports: [2055, 70000]
  - ports:
spool: { maxBytes: 1KB }
inventory:
  machines:
    - name: a
      kind: virtual
      macs: ['52:54:00']
log: 3
`
  assert.deepEqual(problems(source), [
    'f:3:3: http.prot: no such option; did you mean port?',
    'f:4:9: http.port: expected a port number from 0 to 65535, found "abc"',
    'f:6:14: listeners[0].address: expected an IPv4 or IPv6 address, found "1.2.3"',
    'f:7:19: listeners[0].ports[1]: expected a port number from 0 to 65535, found 70000',
    'f:8:5: listeners[1].ports: expected a list of port numbers, found nothing',
    'f:9:20: spool.maxBytes: expected a size in bytes, or with a unit like 512MiB or 10GB; at least 16MiB, found "1KB"',
    'f:13:13: inventory.machines[0].kind: expected one of vm, host, physical, found "virtual"',
    'f:14:14: inventory.machines[0].macs[0]: expected a MAC address like 52:54:00:12:34:56, found "52:54:00"',
    'f:15:6: log: expected a mapping of options, found 3',
  ])
})

test('an unknown option that resembles none is answered with those that there are', () => {
  assert.deepEqual(problems('http: { zzz: 1 }'), [
    'f:1:9: http.zzz: no such option; expected one of host, port, trustProxy',
  ])
})

test('a machine, an address or a VLAN that stands twice is a problem at its second place', () => {
  const source = `inventory:
  machines:
    - { name: a, macs: ['52-54-00-12-34-56'] }
    - { name: a, macs: [5254.0012.3456] }
  vlans: [{ id: 7, name: x }, { id: 7, name: y }]
`
  assert.deepEqual(problems(source), [
    'f:4:15: inventory.machines[1].name: expected a name that no other entry has (also at inventory.machines[0].name), found "a"',
    'f:4:25: inventory.machines[1].macs[0]: expected a MAC address that no other entry has (also at inventory.machines[0].macs[0]), found "5254.0012.3456"',
    'f:5:37: inventory.vlans[1].id: expected a VLAN ID that no other entry has (also at inventory.vlans[0].id), found 7',
  ])
})

test('a port that stands twice for an address is a problem, one of UDP and TCP is none', () => {
  assert.deepEqual(problems('listeners: [{ ports: [0, 0, 7, 8], tcp: [7] }, { address: 10.0.0.1, ports: [7] }]\n'), [])
  assert.deepEqual(problems('listeners: [{ ports: [7, 7] }, { ports: [], tcp: [8] }, { ports: [], tcp: [8] }]\n'), [
    'f:1:26: listeners[0].ports[1]: expected a port of this address that no other entry has (also at listeners[0].ports[0]), found 7',
    'f:1:76: listeners[2].tcp[0]: expected a port of this address that no other entry has (also at listeners[1].tcp[0]), found 8',
  ])
})

test('what is no YAML, or says a key twice, is told with its place', () => {
  assert.deepEqual(problems('http:\n  port: 1\n  port: 2\n'), [
    'f:3:3: this key stands twice in the same mapping; expected each key once',
  ])
  assert.match(problems('http: [1')[0] as string, /^f:1:\d+: not YAML: /)
  assert.match(problems('- a\n- b\n')[0] as string, /^f:1:1: expected a mapping of options, found a list$/)
})

test('a bomb of aliases is refused, not expanded', () => {
  const lines = ['a: &a [x,x,x,x,x,x,x,x,x,x]']
  for (const [name, before] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((pair) => [pair[0], pair[1]])) {
    lines.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${before}`).join(',')}]`)
  }
  assert.match(problems(lines.join('\n'))[0] as string, /not YAML: .*alias/i)
})

test('MAC addresses are taken in every usual form and kept in one', () => {
  const { config } = parseConfig(
    'inventory: { machines: [{ name: a, macs: [52:54:00:AB:cd:01, 52-54-00-ab-cd-02, 5254.00ab.cd03] }] }',
  )
  assert.deepEqual(config?.inventory.machines[0]?.macs, ['52:54:00:ab:cd:01', '52:54:00:ab:cd:02', '52:54:00:ab:cd:03'])
})

test('sizes have units, of a thousand and of 1024', () => {
  assert.equal(parseBytes('10GB'), 1e10)
  assert.equal(parseBytes('1.5 GiB'), 1.5 * 2 ** 30)
  assert.equal(parseBytes('4096'), 4096)
  for (const wrong of ['', 'GB', '-1', '1 PB', '1e3', -5, 1.5, Number.NaN, '99999999999TiB'])
    assert.equal(parseBytes(wrong), undefined)
})

test('a file that is wrong, missing or a directory throws one error that says so', () => {
  const folder = mkdtempSync(join(tmpdir(), 'vnetscope-config-'))
  try {
    const file = join(folder, 'wrong.yaml')
    writeFileSync(file, 'htp: 1\nlog: { level: loud }\n')
    assert.throws(
      () => loadConfig(file),
      (error: unknown) =>
        error instanceof UserError &&
        error.message.includes(`${file}:1:1: htp: no such option; did you mean http?`) &&
        error.message.includes(`${file}:2:15: log.level`),
    )
    assert.throws(() => loadConfig(join(folder, 'none.yaml')), UserError)
    assert.throws(
      () => loadConfig(folder),
      (error: unknown) => error instanceof UserError || error instanceof OperatorError,
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('no text makes the reader throw, and each problem lies inside the text', () => {
  const word = fc.constantFrom(
    'http',
    'port',
    'listeners',
    ':',
    '- ',
    '\n',
    '  ',
    '[',
    ']',
    '{',
    '}',
    '&a',
    '*a',
    '"',
    '#',
    '8080',
    '\t',
    'é',
    '\u0000',
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 40 }), (words) => {
      const source = words.join('')
      const lines = source.split('\n').length
      for (const { line, column } of parseConfig(source).problems)
        assert.ok(line >= 1 && line <= lines + 1 && column >= 1)
    }),
  )
})
