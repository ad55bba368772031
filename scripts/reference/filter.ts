import { NOUNS } from '../../src/query/filter/nouns.ts'
import type { Noun } from '../../src/query/filter/nouns.ts'
import { parseFilter } from '../../src/query/filter/parse.ts'

const EXAMPLES: readonly (readonly [string, string])[] = [
  ['any', 'everything; so is an empty filter'],
  ['src ip 10.0.0.1', 'sent by one address'],
  ['net 10.20.0.0/16 and not dst net 10.0.0.0/8', 'a network, to the outside'],
  ['proto tcp and dst port in [80, 443, 8000-8080]', 'lists hold values and ranges'],
  ['vlan 20 or vni 5001', 'a virtual network, by its tag or its tunnel'],
  ['vm web-* and locality inter_host', 'names may hold * for any characters'],
  ['src host hv-1 and dst host hv-2', 'between two hosts'],
  ['mac 52:54:00:12:34:56 or mac 02:00:5e:00:00:00/24', 'an adapter, or those of one maker'],
  ['flags S and not flags A', 'TCP flags that are set and others that are not; `flags =S` would be S alone'],
  ['bytes > 64k and duration < 5s', 'of the record, as observed; `k`, `M`, `G` are thousands'],
  ['in if 3 and out if 7', 'by interface'],
  ['exporter 192.0.2.1 and discard_reason > 0', 'every column can be asked by its own name'],
]

/** docs/reference/filter.md. Throws if an example is not taken. */
export function filterPage(): string {
  for (const [text] of EXAMPLES) {
    const result = parseFilter(text)
    if (!result.ok) throw new Error(`an example of the filter is wrong: ${text}: ${result.problem.message}`)
  }
  return `# Filter

<!-- Made by \`npm run docs\` from src/query/filter/: change it there. -->

The same language in the console, in \`vnetscope query\` and as \`filter\` of a question to the API. Whoever knows nfdump or tcpdump knows most
of it.

\`\`\`
expression  and, or, not, ( ); "not" binds closest, then "and", then "or"; ! is "not"; # starts a comment
test        [src|dst|in|out] WORD [=|!=|<|<=|>|>=] VALUE
            [src|dst|in|out] WORD in [VALUE, VALUE, FROM-TO]
            [src|dst|in|out] WORD like "PATTERN"
\`\`\`

Without \`src\` or \`dst\` a test holds if either side does. Upper and lower case are alike.

| example | what it selects |
| --- | --- |
${EXAMPLES.map(([text, what]) => `| \`${text}\` | ${what} |`).join('\n')}

## Words

| word | sides | value |
| --- | --- | --- |
${NOUNS.map(row).join('\n')}
`
}

function row(noun: Noun): string {
  const words = [noun.name, ...noun.alias].map((word) => `\`${word}\``).join(', ')
  const sides = (['src', 'dst', 'in', 'out'] as const).filter((side) => noun.columns[side] !== undefined)
  return `| ${words} | ${sides.map((side) => `\`${side}\``).join(', ')} | ${noun.describe.replaceAll('|', '\\|')} |`
}
