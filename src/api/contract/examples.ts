// Questions by route as one would ask them, for the description and the reference page; a test asks each of them.

const HOUR = { from: '2026-03-01T08:00:00Z', to: '2026-03-01T09:00:00Z' }

export const EXAMPLES = {
  top: {
    text: 'The ten machines and addresses that VLAN 20 sends most to by HTTPS, beside the hour before',
    body: {
      ...HOUR,
      filter: 'vlan 20 and dst port 443',
      by: ['src_vm', 'dst_addr'],
      metric: 'bytes',
      limit: 10,
      previous: 3_600_000,
    },
  },
  series: {
    text: 'How busy the ports of one switch are, as a part of their speed, in steps of five minutes as they are billed',
    body: { ...HOUR, filter: 'exporter 192.0.2.1', by: ['exporter', 'in_if'], unit: 'share', step: 300, limit: 20 },
  },
  matrix: {
    text: 'From which host by which service to which host, as the links of a Sankey diagram',
    body: { ...HOUR, by: ['src_host', 'service', 'dst_host'], limit: 50 },
  },
  flows: {
    text: 'The newest flows of a machine; with ?all=true&format=csv every flow of the range, the oldest first',
    body: { ...HOUR, filter: 'vm web-7', by: ['time_received', 'src_addr', 'dst_addr', 'bytes'], limit: 100 },
  },
  distinct: {
    text: 'Who scans: the sources that open connections to the most addresses, and on how many ports',
    body: { ...HOUR, filter: 'proto tcp and flags S and not flags A', by: ['src_addr'], of: ['dst_addr', 'dst_port'] },
  },
  conversations: {
    text: 'Who talks with whom and by which protocol, both directions in one row',
    body: { ...HOUR, by: ['vm', 'proto'], limit: 20 },
  },
  records: {
    text: 'The longest connections to a port, both directions as one record from client to server',
    body: { ...HOUR, filter: 'port 443', ways: 'clients', order: 'duration', limit: 20 },
  },
  totals: {
    text: 'What a slice moved in a year, in bytes of IP packets',
    body: { from: '2025-03-01', to: '2026-03-01', filter: 'slice blue', unit: 'l3' },
  },
  cost: {
    text: 'What it would cost to list the top sources of a year',
    body: { kind: 'top', from: '2025-03-01', to: '2026-03-01', by: ['src_addr'] },
  },
} as const
