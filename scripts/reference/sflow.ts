import type { IngestSink } from '../../src/collect/ingest.ts'
import { createSflowIngest } from '../../src/collect/sflow.ts'
import { COLUMNS } from '../../src/flow/columns.ts'
import { FlowBatch } from '../../src/flow/flow-batch.ts'
import { MetricBatch } from '../../src/flow/metric-batch.ts'
import { rowAsJson, type RowJson } from '../../src/flow/row-json.ts'
import { discardReasonName } from '../../src/wire/sflow/discard-reasons.ts'
import { COUNTER_STRUCTURES, FLOW_STRUCTURES, type Field, type Structure } from '../../src/wire/sflow/structures.ts'
import { datagram } from '../../test/fixtures/netflow-messages.ts'
import { structureRecord } from '../../test/fixtures/sflow-structures.ts'
import { counterSample, flowSample, sflowDatagram } from '../../test/fixtures/xdr.ts'

interface Made {
  readonly row: RowJson | undefined
  readonly metrics: ReadonlySet<string>
  readonly sightings: readonly string[]
}

/** What the collector makes of a datagram: the page says what it does, and not what somebody thinks that it does. */
function collected(bytes: Uint8Array): Made {
  const flows = new FlowBatch(4)
  const metrics = new MetricBatch()
  const sightings: string[] = []
  const sink: IngestSink = {
    flows,
    metrics,
    room: () => true,
    sighting: ({ kind }) => sightings.push(kind),
    problem: () => undefined,
  }
  createSflowIngest({ seed: 1 }, { clock: { now: () => 0 } }).datagram(datagram(bytes), sink)
  return { row: flows.n > 0 ? rowAsJson(flows, 0) : undefined, metrics: new Set(metrics.metric), sightings }
}

const EMPTY = collected(sflowDatagram([flowSample([])])).row as RowJson

function ofFlow({ tag, fields }: Structure): string {
  if (tag === 1) return 'the packet, dissected: its columns; `bytes`'
  const { row } = collected(sflowDatagram([flowSample([structureRecord(tag, fields, 'flow')])]))
  if (row === undefined) return '`decode`'
  const columns = COLUMNS.filter(({ name }) => name in row && row[name] !== EMPTY[name]).map(
    ({ name }) => `\`${name}\``,
  )
  return columns.length > 0 ? columns.join(' ') : '`decode`'
}

const SIGHTINGS: Readonly<Record<string, string>> = {
  interface: 'names, speeds and states of interfaces',
  machine: 'inventory',
}

function ofCounters({ tag, name, fields }: Structure): string {
  const { metrics, sightings } = collected(sflowDatagram([counterSample([structureRecord(tag, fields, 'counter')])]))
  const parts = sightings.map((kind) => SIGHTINGS[kind] ?? kind)
  if (metrics.size > 0) parts.push(`metrics \`${name}.…\` (${metrics.size})`)
  return parts.length > 0 ? parts.join('; ') : '`decode`'
}

function fieldText({ name, type, of }: Field): string {
  if (of !== undefined) return `${name} [ ${of.map(fieldText).join(', ')} ]`
  return type === 'u32' ? name : `${name} ${type}`
}

function rows(structures: Iterable<Structure>, goesTo: (structure: Structure) => string): string {
  return [...structures]
    .toSorted((a, b) => a.tag - b.tag)
    .map((structure) => {
      const { tag, name, fields } = structure
      return `| ${tag >>> 12}:${tag & 0xfff} | \`${name}\` | ${fields.map(fieldText).join(', ')} | ${goesTo(structure)} |`
    })
    .join('\n')
}

function reasons(): string {
  const lines: string[] = []
  for (let code = 0; code < 1024; code++) {
    const name = discardReasonName(code)
    if (name !== undefined) lines.push(`${code} ${name}`)
  }
  return lines.join(', ')
}

/** docs/reference/sflow.md. */
export function sflowPage(): string {
  return `# Structures of sFlow

<!-- Made by \`npm run docs\` from src/wire/sflow/structures.ts: change it there. -->

Of sFlow version 5 these samples are read: flow samples (0:1), counter samples (0:2), the expanded forms of both (0:3, 0:4), discarded
packets (0:5), and InMon's custom metrics and flows (4300:1002, 4300:1003). A structure that is not known is stepped over by its
length and counted as \`unsupported\`; \`vnetscope decode\` shows its number and bytes.

Numbers are \`enterprise:format\`. A field without a type is an unsigned integer of 32 bits; \`i32\`, \`u64\`, \`f32\` and \`u8\` are numbers,
\`address\` is an IP address with its type, \`numbers\` a list with its count, \`words\` and \`rest\` go to the end of the record, and brackets hold what a list
repeats. A structure may end early: old agents leave out the fields that were added later.

## In flow samples and discarded packets

\`vnetscope decode\` prints every one. The last column says which [columns of a flow](columns.md) it fills as well; \`decode\` stands where it fills none.

| number | structure | fields | goes to |
| --- | --- | --- | --- |
${rows(FLOW_STRUCTURES.values(), ofFlow)}

A sample of an application's operation alone (2000 to 2208) is no packet and makes no row.

## In counter samples

Each number becomes a metric, \`structure.field\`, of the interface, VLAN, host or machine that the sample is about. All bits set means that the agent does not know it.

| number | structure | fields | goes to |
| --- | --- | --- | --- |
${rows(COUNTER_STRUCTURES.values(), ofCounters)}

## Reasons of discarded packets

In \`discard_reason\`: ${reasons()}.
`
}
