import { boundElements } from '../../src/collect/netflow-plan.ts'
import { COLUMNS } from '../../src/flow/columns.ts'
import { ELEMENT_TABLES } from '../../src/wire/ipfix/elements.ts'
import { elementName, elementOf } from '../../src/wire/ipfix/registry.ts'

/** What notes of a record become. */
const NOTES: Readonly<Record<string, string>> = {
  sampler: '`sampling_rate`, by the sampler or selector that options tell of',
  interval: '`sampling_rate`',
  space: '`sampling_rate`, with 305',
  size: '`sampling_rate`, with 310',
  population: '`sampling_rate`, with 309',
  probability: '`sampling_rate`',
  customer_vlan: 'makes the other VLAN `s_vlan`',
  segment_type: '`tunnel`',
  tunnel_type: '`tunnel`',
  boot: '`time_start` `time_end`, where they are uptimes',
  section_size: '`bytes` of a packet section',
  reverse_bytes: '`bytes` of the other direction',
  reverse_packets: '`packets` of the other direction',
  reverse_flags: '`tcp_flags` of the other direction',
  reverse_tos: '`tos` of the other direction',
  reverse_in: '`in_if` of the other direction',
  reverse_out: '`out_if` of the other direction',
  reverse_direction: '`direction` of the other direction',
  reverse_vlan: '`vlan_in` of the other direction',
}

/** Elements that are looked at by name and not by the table of bindings. */
const OTHERS: readonly (readonly [element: number, what: string])[] = [
  [82, 'names of interfaces, behind 10 in a record or in options'],
  [104, 'the packet, dissected: its columns'],
  [137, 'what options told under this id fills the columns that the record leaves empty (RFC 5473)'],
  [161, '`time_start` or `time_end`, with the other one'],
  [162, '`time_start` or `time_end`, with the other one'],
  [313, 'the packet, dissected: its columns'],
  [315, 'the packet, dissected: its columns'],
]

const ENTERPRISES: Readonly<Record<number, string>> = {
  0: 'IANA, and what NetFlow v9 numbers beside it',
  9: 'Cisco',
  637: 'Nokia',
  2636: 'Juniper',
  3054: 'Ixia',
  5951: 'Netscaler (Citrix)',
  6871: 'CERT (YAF)',
  6876: 'VMware',
  8057: 'CESNET',
  10704: 'Barracuda',
  15397: 'Procera',
  29305: 'the other direction (RFC 5103)',
  35632: 'ntop',
  39499: 'Flowmon',
  41916: 'Viptela',
}

function enterpriseText(enterprise: number): string {
  const name = ENTERPRISES[enterprise]
  return name === undefined ? `Enterprise ${enterprise}` : `${enterprise}: ${name}`
}

function noteText(note: string): string {
  const text = NOTES[note]
  if (text === undefined)
    throw new RangeError(`scripts/reference/elements.ts does not say what the note ${note} becomes`)
  return text
}

function bound(): string {
  const goesTo = new Map<string, { enterprise: number; element: number; texts: Set<string> }>()
  const add = (enterprise: number, element: number, text: string): void => {
    const key = `${enterprise}.${element}`
    const entry = goesTo.get(key) ?? { enterprise, element, texts: new Set<string>() }
    entry.texts.add(text)
    goesTo.set(key, entry)
  }
  const known = new Set<string>(COLUMNS.map(({ name }) => name))
  for (const { enterprise, element, into, column } of boundElements())
    add(enterprise, element, into === 'row' && known.has(column) ? `\`${column}\`` : noteText(column))
  for (const [element, what] of OTHERS) add(0, element, what)
  return [...goesTo.values()]
    .toSorted((a, b) => a.enterprise - b.enterprise || a.element - b.element)
    .map(({ enterprise, element, texts }) => {
      const type = elementOf(enterprise, element)?.type ?? ''
      return `| ${enterprise === 0 ? '' : enterprise} | ${element} | \`${elementName(enterprise, element)}\` | ${type} | ${[...texts].join(', ')} |`
    })
    .join('\n')
}

function everything(): string {
  return ELEMENT_TABLES.map(([enterprise, lines]) => {
    const elements = lines
      .trim()
      .split('\n')
      .map((line) => {
        const [id, name] = line.split(' ') as [string, string]
        return `${id}\u00a0${name}`
      })
    return `### ${enterpriseText(enterprise)} (${elements.length})\n\n${elements.join(', ')}`
  }).join('\n\n')
}

/** docs/reference/elements.md. */
export function elementsPage(): string {
  return `# Elements of NetFlow v9 and IPFIX

<!-- Made by \`npm run docs\` from src/wire/ipfix/elements.ts and src/collect/netflow-plan.ts: change it there. -->

\`vnetscope decode\` prints every element of a record, by name if it is known and as \`e<enterprise>.<id>\` with its bytes if not. Integers may be
shorter or longer than registered.

## Those that fill columns

Where several fill one [column](columns.md) and a template has more than one of them, the one that says more wins; a value of zero gives way to another's.
What has no column is not stored.

| enterprise | id | element | type | goes to |
| --- | --- | --- | --- | --- |
${bound()}

Records of NetFlow v5 and v7 are read by the same table, as those of a template that nobody announces.

## All that are known by name

${everything()}
`
}
