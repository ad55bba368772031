import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostNameIn } from './filter-names.ts'

test('addresses, numbers, services and words of filters are no names of hosts', () => {
  for (const filter of [
    '',
    'udp port 53 and net 10.0.0.0/8',
    'host 192.0.2.1 or fe80::1 and not src net 10.1',
    'ip6 host ::ffff:192.0.2.1',
    'port http or https and (tcp or sctp)',
    'portrange 21-ftp-data',
    'ether proto \\arp or ip proto \\icmp',
    'ether host 00:11:22:aa:BB:cc or ether src 0011.22aa.bbcc',
    'tcp[tcpflags] & (tcp-syn|tcp-ack) != 0 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420',
    'icmp[icmptype] = icmp-echoreply or len - 4 > 1000',
    'vlan 120 && ip',
  ])
    assert.equal(hostNameIn(filter), undefined, filter)
})

test('names of hosts and nets are found wherever libpcap would look them up', () => {
  const named: readonly (readonly [string, string])[] = [
    ['web1', 'web1'],
    ['tcp and host web1.example.org', 'web1.example.org'],
    ['port http or src db', 'db'],
    ['port 80 and (tcp or cafe)', 'cafe'],
    ['net loopback', 'loopback'],
    ['host \\web', '\\web'],
    ['gateway abc', 'abc'],
    ['TCP', 'TCP'],
    ['proto \\x[ or host web or proto \\y]', 'web'],
    ['dead:beef', 'dead:beef'],
    ['1.2.3.4.5', '1.2.3.4.5'],
    ['len-4 > 1', 'len-4'],
  ]
  for (const [filter, name] of named)
    assert.deepEqual(hostNameIn(filter), { from: filter.indexOf(name), length: name.length }, filter)
})
