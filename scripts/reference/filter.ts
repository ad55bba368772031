import { MAX_EXPANDED_TESTS, MAX_NAMED_DEPTH } from '../../src/query/filter/expand.ts'
import { NOUNS } from '../../src/query/filter/nouns.ts'
import type { Noun } from '../../src/query/filter/nouns.ts'
import { MAX_DEPTH, MAX_TESTS, parseFilter } from '../../src/query/filter/parse.ts'
import { MAX_TEXT } from '../../src/query/filter/parse-cursor.ts'
import { MAX_COMPARISONS } from '../../src/query/question.ts'
import { REFUSED } from '../../src/query/filter/refused.ts'

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
  ['in if = out if or src port = dst port', 'one column beside another'],
  ['bytes > 1000 * packets', 'a column beside so many times another'],
  ['src and dst net 10.0.0.0/8', 'both sides'],
  ['not flags in [A, F, R] and flags S', 'none of some flags'],
  ['src vm != dst vm and src host = dst host', 'between two machines of one host'],
  ['outer ip 192.0.2.7 and inner ip 10.0.0.0/8', 'by the tunnel and by what was in it'],
  ['inner port 443 and outer ip 192.0.2.0/24', 'by what was in the tunnel, and between which ends'],
  [
    'exporter edge-* and src country != dst country',
    'exporters by name; countries where a database of them is configured',
  ],
  ['dst as like "*cloud*" or dst as in [64500-64510, 65000]', 'autonomous systems by name or number'],
  ['@web and not @backup', 'saved filters'],
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
expression  and, or, not, ( ); "not" binds closest, then "and", then "or"; && || ! are alike; # starts a comment
test        [SIDE] WORD [=|!=|<|<=|>|>=] VALUE         also ==, eq, ne, lt, le, gt, ge
            [SIDE] WORD in [VALUE, VALUE, FROM-TO]
            [SIDE] WORD like "PATTERN"
            [SIDE] WORD =|!=|<|<=|>|>= [SIDE] WORD     one column with another
            [SIDE] WORD =|!=|<|<=|>|>= NUMBER * [SIDE] WORD
            @NAME                                      the filter that is saved under this name
SIDE        src, dst, in, out; ingress, egress; src and dst, src or dst, in and out, in or out
\`\`\`

Without a side a test holds if either side does. Words are alike in upper and lower case; a name has to be written as it is, but behind \`like\`
or with a \`*\` in it, where its case doesn't matter either. A row whose two names are both unknown does not count as one
of the same name. What holds for \`WORD != VALUE\` is what \`not WORD VALUE\` would say, but for words that imply something else (\`flags\`: TCP,
\`icmp-type\` and \`icmp-code\`: ICMP, \`inner …\`: a tunnel): these stay among such packets.

| example | what it selects |
| --- | --- |
${EXAMPLES.map(([text, what]) => `| \`${text}\` | ${what} |`).join('\n')}

## Saved filters

A filter that is saved can stand in others by \`@\` and its name, as if in brackets: \`@web and not src net 10.0.0.0/8\`. A name is a letter,
then letters, digits and \`_\` \`.\` \`-\`, at most 64 in all; upper and lower case are alike. What is saved may use others, up to
${MAX_NAMED_DEPTH} levels deep and ${MAX_EXPANDED_TESTS} tests in all; none may use itself, and one that another uses can't be removed. A change means
something else in all that use it.

\`\`\`
curl -X PUT localhost:8080/api/v1/filters/web -H 'content-type: application/json' \\
  -d '{"filter": "proto tcp and port in [80, 443]", "describe": "web servers and who asks them"}'
vnetscope query '@web and src vm db-*'
curl localhost:8080/api/v1/filters
curl -X DELETE localhost:8080/api/v1/filters/web
\`\`\`

They are kept in \`state/state.sqlite\` of the data directory, beside the views that the console saves.

## How long it may be

${MAX_TEXT.toLocaleString('en-US')} characters, ${MAX_TESTS} tests, ${MAX_DEPTH} levels of brackets and \`not\`. A list is one test, however long. Tests that differ in their values alone
(\`ip 10.0.0.1 and not port 22 or ip 10.0.0.2 and not port 80 or …\`) are looked up together, in little more time than a few. Of
tests that can't be put together, such as patterns behind \`like\`, a filter may have ${MAX_COMPARISONS} comparisons (a test of either side is two): more
are refused before anything is read.

## Words

| word | sides | value |
| --- | --- | --- |
${NOUNS.map(row).join('\n')}

## Otherwise than in nfdump

- \`not flags AF\` is the opposite of \`flags AF\`: not both are set. Old nfdump (1.7.1) makes of it that none is; here that is
  \`not flags in [A, F]\`.
- Type and code of ICMP are not also the destination port.
- \`fwdstat\` takes nfdump's names for the numbers of RFC 7270, which exporters send.
- Times without a zone are UTC. Names are not looked up in the DNS.
- \`host\` with an address is \`ip\`; with a name it is the host (hypervisor) of that name.
- \`geo\` takes the country that was found when the flow came in, not the one that a database names today.
- \`@include\` is not taken; \`vnetscope query -f FILE\` reads a filter from a file, and saved filters stand in others by name.
- IN, NE, GE, GT and LT behind \`country\` are India, Niger, Georgia, Guatemala and Lithuania, unless a value follows.

Words of nfdump that ask for what is not recorded are known, and refused with the reason:

| words | why |
| --- | --- |
${refused().join('\n')}
`
}

function refused(): string[] {
  const byReason = Map.groupBy(REFUSED, ({ reason }) => reason)
  return [...byReason].map(([reason, words]) => {
    const phrases = words.map(({ words: phrase }) => `\`${phrase.join(' ')}\``)
    return `| ${phrases.join(', ')} | ${reason} |`
  })
}

function row(noun: Noun): string {
  const words = [noun.name, ...noun.alias].map((word) => `\`${word}\``).join(', ')
  const sides = (['src', 'dst', 'in', 'out'] as const).filter((side) => noun.columns[side] !== undefined)
  return `| ${words} | ${sides.map((side) => `\`${side}\``).join(', ')} | ${noun.describe.replaceAll('|', '\\|')} |`
}
