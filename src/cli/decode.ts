import type { Command } from 'commander'
import { readElementsFile } from '../app/elements-file.ts'
import { createNetflowReader } from '../collect/netflow-reader.ts'
import { createSflowReader } from '../collect/sflow-reader.ts'
import { createSummary } from './decode-summary.ts'
import { flowProtocol } from './flow-protocol.ts'
import { createLineWriter } from './line-writer.ts'
import type { StreamTrouble } from './tcp-messages.ts'
import { createLeftOut, leftOutText, readPayloads } from './payloads.ts'

interface DecodeOptions {
  readonly json: boolean
  readonly raw: boolean
  readonly summary: boolean
  readonly verbose: boolean
  readonly elements?: string
}

export function addDecode(program: Command): void {
  program
    .command('decode')
    .description(
      'Prints what captured sFlow, NetFlow and IPFIX datagrams say: one JSON object a line for each record, on standard output.',
    )
    .argument(
      '<file...>',
      'pcap or pcapng (packed by gzip or zstd, too), whatever its ports, IPFIX over TCP too, or an IPFIX file (RFC 5655); - is standard input',
    )
    .option('--json', 'one JSON object a line; this is the only form and may be left out', true)
    .option('--raw', 'each file holds one datagram and nothing else', false)
    .option(
      '--summary',
      'instead of the records, print how many there are of each kind, exporter, template, structure and problem',
      false,
    )
    .option('--verbose', 'print templates too', false)
    .option(
      '--elements <file>',
      'information elements of your own: on each line enterprise number, id, name and type, with tabs or spaces between them',
    )
    .addHelpText(
      'after',
      `
Files are read in the order given, and templates stay known from one to the next. What is wrong in a datagram is printed
as {"kind":"problem","code":…,"offset":…}; what is no flow export is skipped and counted on standard error. Of a TCP connection
"offset" counts from its first byte in the capture: stream_gap is where bytes are missing, stream_repeated where some came again,
stream_midway where the capture begins within the connection, bad_stream where what follows is no message.

Exit status: 0 done, 1 a file could not be read, 2 wrong usage.`,
    )
    .action((files: string[], options: DecodeOptions) => decode(files, options))
}

type Printed = {
  readonly kind: string
  readonly protocol?: string
  readonly code?: string
}

async function decode(files: readonly string[], options: DecodeOptions): Promise<void> {
  const out = createLineWriter(process.stdout)
  const netflow = createNetflowReader(
    options.elements === undefined ? {} : { elements: readElementsFile(options.elements) },
  )
  const sflow = createSflowReader()
  const left = createLeftOut()
  const summary = createSummary()
  let datagrams = 0
  let notFlow = 0
  let troubles: StreamTrouble[] = []

  async function print(records: readonly Printed[], protocol: string): Promise<void> {
    for (const record of records) {
      if (record.kind === 'template' && !options.verbose) continue
      if (options.summary) summary.count(record, protocol)
      else await out.line(JSON.stringify(record))
    }
  }

  async function printTroubles(): Promise<void> {
    const problems = troubles.map(({ from, ...trouble }) => ({ kind: 'problem', ...trouble, exporter: from }))
    troubles = []
    await print(problems, 'netflow')
  }

  for (const file of files) {
    for await (const payload of readPayloads(file, options.raw, left, (one) => troubles.push(one))) {
      await printTroubles()
      const protocol = flowProtocol(payload.bytes)
      if (protocol === 'sflow') await print(sflow.read(payload.bytes, payload.from, payload.at), 'sflow')
      else if (protocol === 'netflow')
        await print(netflow.read(payload.bytes, payload.from, payload.fromPort, payload.at), 'netflow')
      else if (options.raw) await print([wrong(payload.bytes, payload.from)], 'raw')
      else {
        notFlow++
        continue
      }
      datagrams++
    }
    await printTroubles()
  }
  await print(netflow.end(), 'netflow')
  if (options.summary) {
    const skipped = notFlow + left.other + left.foreign + left.incomplete
    await out.line(JSON.stringify({ datagrams, ...summary.counts(), skipped }))
  }
  await out.end()
  const skipped = notFlow > 0 ? [`skipped ${notFlow} UDP datagrams that are no flow export`] : []
  for (const sentence of [...leftOutText(left), ...skipped]) process.stderr.write(`vnetscope: ${sentence}\n`)
  if (left.damage.length > 0) process.exitCode = 1
}

function wrong(bytes: Uint8Array, exporter: string): Printed & { offset: number; exporter: string } {
  return {
    kind: 'problem',
    code: bytes.length === 0 ? 'empty' : bytes.length < 16 ? 'truncated' : 'bad_version',
    offset: 0,
    exporter,
  }
}
