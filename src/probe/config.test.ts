import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { ipText } from '../base/address.ts'
import { EXPECTED_MIRRORS } from '../capture/mirror-choice.ts'
import { parseProbeConfig, type ProbeConfig } from './config.ts'

const WHOLE = `sflow {
  # where from
  agentip = 10.0.0.10
  packetsamplingrate = 256
  counterpollinginterval = 20
  startifindex = 100
  startsubagentid = 3
  collector { ip = 10.0.0.1 }
  collector { ip = ::1 udpport = 7343 }
  virtualswitch {
    pcap { device = eth0 headerbytes = 96 promiscuousmode = 0 filter = "not port 22" unwrap = "erspan, vlan 200" }
    uplink { mac = 00:14:22:59:22:77 ifspeed = 1G iftype = 117 }
    virtualinterface { mac = 00-0c-29-c3-c2-be ifspeed = 100M name = "web 1" }
  }
  virtualswitch {
    learn = on
    sampling = kernel
    counters = kernel
    ifindex = kernel
    ovsdb = /tmp/db.sock
    pcap { device = eth1 }
    virtualinterface { mac = 00-0c-29-c3-c2-bf device = vnet3 }
  }
}
`

function right(source: string): ProbeConfig {
  const { config, problems } = parseProbeConfig(source)
  assert.deepEqual(problems, [])
  return config as ProbeConfig
}

/** `line:column message` of each problem. */
const wrong = (source: string): string[] =>
  parseProbeConfig(source).problems.map(({ line, column, message }) => `${line}:${column} ${message}`)

const SWITCH = 'virtualswitch { pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }'
const flat = (inner: string): string => `sflow { ${inner} }`
const COLLECTOR = 'collector { ip = 10.0.0.1 }'

describe('vsprobed.conf', () => {
  test('says everything that it can say', () => {
    const { agent, switches, ...rest } = right(WHOLE)
    assert.equal(ipText(agent), '10.0.0.10')
    assert.deepEqual(rest, {
      samplingRate: 256,
      pollingInterval: 20,
      firstIfIndex: 100,
      firstSubAgentId: 3,
      collectors: [
        { host: '10.0.0.1', port: 6343 },
        { host: '::1', port: 7343 },
      ],
      captures: undefined,
    })
    const port = { ifSpeed: 0, ifType: 6, name: '', device: '' }
    const inFile = { sampling: 'probe', counters: 'frames', ifIndex: 'file', ovsdb: '/var/run/openvswitch/db.sock' }
    const inKernel = { sampling: 'kernel', counters: 'kernel', ifIndex: 'kernel', ovsdb: '/tmp/db.sock' }
    assert.deepEqual(switches, [
      {
        device: 'eth0',
        headerBytes: 96,
        promiscuous: false,
        filter: 'not port 22',
        unwrap: [
          { kind: 'erspan', id: -1 },
          { kind: 'vlan', id: 200 },
        ],
        learn: false,
        ...inFile,
        ports: [
          { ...port, kind: 'uplink', mac: 0x001422592277, ifSpeed: 1e9, ifType: 117, isTagged: true },
          { ...port, kind: 'virtual', mac: 0x000c29c3c2be, ifSpeed: 100e6, isTagged: false, name: 'web 1' },
        ],
      },
      {
        device: 'eth1',
        headerBytes: 128,
        promiscuous: true,
        filter: '',
        unwrap: [],
        learn: true,
        ...inKernel,
        ports: [{ ...port, kind: 'virtual', mac: 0x000c29c3c2bf, isTagged: false, device: 'vnet3' }],
      },
    ])
  })

  test('has the defaults of the original', () => {
    const { samplingRate, pollingInterval, firstIfIndex, firstSubAgentId } = right(
      flat(`agentip = 10.0.0.10 ${COLLECTOR} ${SWITCH}`),
    )
    assert.deepEqual([samplingRate, pollingInterval, firstIfIndex, firstSubAgentId], [400, 30, 1, 0])
  })

  test('takes both spellings of the first numbers', () => {
    const { firstIfIndex, firstSubAgentId } = right(
      flat(`agentip = 10.0.0.10 firstifindex = 7 firstsubagentid = 8 ${COLLECTOR} ${SWITCH}`),
    )
    assert.deepEqual([firstIfIndex, firstSubAgentId], [7, 8])
    assert.deepEqual(wrong(flat(`agentip = 10.0.0.10 firstifindex = 7\nstartifindex = 8 ${COLLECTOR} ${SWITCH}`)), [
      '2:1 “startifindex” is set twice: first on line 1',
    ])
  })

  test('says of each wrong setting where it stands and what was expected', () => {
    const agent = 'agentip = 10.0.0.10'
    const mac = 'expected a MAC address of one interface, such as 00:14:22:59:22:77'
    const before = `${agent} ${COLLECTOR}`
    // Where ‸ stands the problem begins
    const cases: readonly (readonly [marked: string, message: string])[] = [
      [
        `agentip = ‸10.0.0 ${COLLECTOR} ${SWITCH}`,
        '“10.0.0” is not right for “agentip”: expected an IPv4 or IPv6 address',
      ],
      [`${agent} ‸collector { } ${SWITCH}`, '“collector” has no “ip”: expected the address of the collector'],
      [
        `${agent} ‸colour = red ${COLLECTOR} ${SWITCH}`,
        '“colour” is no setting of “sflow”: expected agentip, packetsamplingrate, counterpollinginterval, firstifindex, startifindex, firstsubagentid, startsubagentid',
      ],
      [`${before} ${SWITCH} ‸pcap { }`, 'there is no section “pcap” in “sflow”: expected collector, virtualswitch'],
      [
        `${before} ‸virtualswitch { uplink { mac = 00:14:22:59:22:77 } }`,
        '“virtualswitch” has no section “pcap”, which names its device',
      ],
      [
        `${before} virtualswitch { ‸pcap { } uplink { mac = 00:14:22:59:22:77 } }`,
        '“pcap” has no “device”: expected the name of a network device',
      ],
      [
        `${before} ‸virtualswitch { pcap { device = eth0 } }`,
        '“virtualswitch” has no ports: expected “uplink” and “virtualinterface” sections, or learn = on',
      ],
      [
        `${before} virtualswitch { pcap { device = eth0 } uplink { mac = ‸00:14:22:59:22 } }`,
        `“00:14:22:59:22” is not right for “mac”: ${mac}`,
      ],
      [
        `${before} virtualswitch { pcap { device = eth0 } uplink { mac = ‸ff:ff:ff:ff:ff:ff } }`,
        `“ff:ff:ff:ff:ff:ff” is not right for “mac”: ${mac}`,
      ],
      [
        `${before} ${SWITCH}\nvirtualswitch { pcap { device = eth1 } uplink { mac = ‸00:14:22:59:22:77 } }`,
        'the MAC address 00:14:22:59:22:77 is that of line 1 already',
      ],
      [
        `${before} ${SWITCH}\nvirtualswitch { ‸pcap { device = eth0 } uplink { mac = 00:14:22:59:22:78 } }`,
        'the device eth0 is that of the switch of line 1 already',
      ],
      [
        `${before} packetsamplingrate = ‸0 ${SWITCH}`,
        '“0” is not right for “packetsamplingrate”: expected a whole number from 1 to 1073741823',
      ],
      [
        `${before} virtualswitch { pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 ifspeed = ‸1Q } }`,
        '“1Q” is not right for “ifspeed”: expected bits a second, such as 1G, 100M or 10000000',
      ],
      [
        `${before} virtualswitch { pcap { device = eth0 unwrap = ‸"erspan, span" } uplink { mac = 00:14:22:59:22:77 } }`,
        `“erspan, span” is not right for “unwrap”: expected ${EXPECTED_MIRRORS}`,
      ],
      [
        `${before} virtualswitch { pcap { device = eth0 unwrap = ‸vlan } uplink { mac = 00:14:22:59:22:77 } }`,
        `“vlan” is not right for “unwrap”: expected ${EXPECTED_MIRRORS}`,
      ],
      [
        `${before} virtualswitch { sampling = ‸all pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }`,
        '“all” is not right for “sampling”: expected probe or kernel',
      ],
      [
        `${before} virtualswitch { counters = ‸0 pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }`,
        '“0” is not right for “counters”: expected frames or kernel',
      ],
      [
        `${before} virtualswitch { ifindex = ‸7 pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }`,
        '“7” is not right for “ifindex”: expected file or kernel',
      ],
      [
        `${before} virtualswitch { ovsdb = ‸db.sock pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }`,
        '“db.sock” is not right for “ovsdb”: expected the path of the socket of Open vSwitch’s database',
      ],
      [
        `${before} virtualswitch { sampling = ‸kernel pcap { device = eth0 } uplink { mac = 00:14:22:59:22:77 } }`,
        'frames that the kernel does not show can’t be counted: expected counters = kernel beside sampling = kernel',
      ],
      [
        `${before} virtualswitch { counters = kernel pcap { device = eth0 unwrap = ‸gre } uplink { mac = 00:14:22:59:22:77 } }`,
        'what comes in a mirror crossed the switch of another machine: expected no counters = kernel and no ifindex = kernel',
      ],
      [
        `${agent} packetsamplingrate ‸collector { ip = 10.0.0.1 } ${SWITCH}`,
        'expected “=” or “{” after “packetsamplingrate”',
      ],
    ]
    for (const [marked, message] of cases) {
      const text = flat(marked)
      const at = text.indexOf('‸')
      const lines = text.slice(0, at).split('\n')
      const place = `${lines.length}:${(lines[lines.length - 1] as string).length + 1}`
      const found = wrong(text.replace('‸', ''))
      assert.ok(found.includes(`${place} ${message}`), `${place} ${message}\n${found.join('\n')}`)
    }
    assert.ok(
      wrong(flat(`${COLLECTOR} ${SWITCH}`)).includes('1:1 “sflow” has no “agentip”: expected an IPv4 or IPv6 address'),
    )
    assert.ok(
      wrong(flat(`${agent} ${SWITCH}`)).includes('1:1 “sflow” has no section “collector”: nothing would be sent'),
    )
    assert.ok(wrong(flat(before)).includes('1:1 “sflow” has no section “virtualswitch”: nothing would be monitored'))
    assert.ok(
      wrong('sflow {\n  collector {\n').includes('3:1 the section “collector” of line 2 does not end: expected “}”'),
    )
    assert.deepEqual(wrong('} sflow').slice(0, 1), ['1:1 this “}” closes nothing'])
    assert.deepEqual(wrong(''), ['1:1 there is no section “sflow”'])
  })

  test('of the examples is right', () => {
    for (const name of ['', '-bridge', '-mirror', '-hypervisor'].map((kind) => `vsprobed${kind}.conf`))
      right(readFileSync(join(import.meta.dirname, '../../examples', name), 'utf8'))
  })

  test('never makes the reader fail, whatever stands in it', () => {
    const pieces = fc.constantFrom(
      'sflow',
      '{',
      '}',
      '=',
      '"',
      '#',
      '\n',
      ' ',
      'mac',
      'collector',
      'virtualswitch',
      'pcap',
      '1G',
      'ä',
      '\0',
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), (parts) => {
        const source = parts.join('')
        const lines = source.split('\n').length
        for (const { line, column } of parseProbeConfig(source).problems)
          assert.ok(line >= 1 && line <= lines && column >= 1)
      }),
      { numRuns: 2000 },
    )
  })

  test('allows captures only where a section says for whom, of what and how much', () => {
    const withCapture = (inner: string): string =>
      `${flat(`agentip = 10.0.0.10 ${COLLECTOR} ${SWITCH}`)}\ncapture { ${inner} }`
    assert.equal(right(flat(`agentip = 10.0.0.10 ${COLLECTOR} ${SWITCH}`)).captures, undefined)
    assert.deepEqual(right(withCapture('listen = 127.0.0.1:6690 secretfile = /etc/secret')).captures, {
      host: '127.0.0.1',
      port: 6690,
      secretFile: '/etc/secret',
      devices: ['eth0'],
      most: { bytes: 10_000_000, seconds: 60, snapshotLength: 262_144, captures: 1 },
    })
    assert.deepEqual(
      right(
        withCapture(
          'listen = [::1]:7 secretfile = /s devices = "br0, vnet1" maxbytes = 2M maxseconds = 5 maxcaptures = 3 snaplen = 96',
        ),
      ).captures,
      {
        host: '::1',
        port: 7,
        secretFile: '/s',
        devices: ['br0', 'vnet1'],
        most: { bytes: 2_000_000, seconds: 5, snapshotLength: 96, captures: 3 },
      },
    )
    assert.deepEqual(wrong(withCapture('listen = probe:6690 secretfile = secret maxbytes = 0')), [
      '2:20 “probe:6690” is not right for “listen”: expected an address and a port, such as 127.0.0.1:6690 or [::1]:6690',
      '2:44 “secret” is not right for “secretfile”: expected the path of a file with the secret',
      '2:62 “0” is not right for “maxbytes”: expected a number of bytes, such as 10M or 500k',
    ])
    assert.deepEqual(wrong(withCapture('listen = 127.0.0.1:6690')), [
      '2:1 “capture” has no “secretfile”: expected the path of a file with the secret',
    ])
  })
})
