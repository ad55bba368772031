import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { createDatagramSender, type DatagramTarget } from '../base/datagram-sender.ts'
import { OperatorError } from '../base/errors.ts'
import { targetOf } from './target.ts'
import { createLeftOut, leftOutText, readPayloads } from './payloads.ts'

interface ReplayOptions {
  readonly to: DatagramTarget
  readonly rate?: number
  readonly speed: number
  readonly max: boolean
  readonly raw: boolean
}

/** Datagrams handed to the system before their sending is waited for. */
const WINDOW = 256

export function addReplay(program: Command): void {
  program
    .command('replay')
    .description('Sends the UDP payloads of captures again, in their original rhythm.')
    .argument('<file...>', 'pcap or pcapng (packed by gzip or zstd, too); - is standard input')
    .requiredOption('--to <host:port>', 'where to', parseTarget)
    .addOption(
      new Option('--rate <pps>', 'so many datagrams a second, instead of the original rhythm')
        .argParser(parsePositive)
        .conflicts('speed'),
    )
    .option('--speed <factor>', 'so many times as fast as captured', parsePositive, 1)
    .addOption(new Option('--max', 'as fast as it goes').default(false).conflicts(['rate', 'speed']))
    .option('--raw', 'each file holds one datagram and nothing else', false)
    .action((files: string[], options: ReplayOptions) => replay(files, options))
}

async function replay(files: readonly string[], options: ReplayOptions): Promise<void> {
  const sender = await createDatagramSender([options.to])
  const left = createLeftOut()
  const started = performance.now()
  let bytes = 0
  let count = 0
  let firstAt = -1
  try {
    for (const file of files) {
      for await (const payload of readPayloads(file, options.raw, left)) {
        if (!options.max) {
          if (firstAt < 0) firstAt = payload.at
          const due =
            options.rate === undefined ? (payload.at - firstAt) / options.speed : (count * 1000) / options.rate
          const ahead = started + due - performance.now()
          if (ahead >= 1) await wait(ahead)
        }
        sender.send(payload.bytes)
        if (sender.flying >= WINDOW) await sender.below(WINDOW / 2)
        bytes += payload.bytes.length
        count++
      }
    }
    await sender.below(1)
  } finally {
    sender.close()
  }
  const seconds = (performance.now() - started) / 1000
  const { failed = 0, error = '' } = sender.status()[0] ?? {}
  process.stdout.write(
    `${count - failed} datagrams, ${bytes} bytes to ${options.to.host}:${options.to.port} in ${seconds.toFixed(2)} s` +
      ` (${Math.round((count - failed) / Math.max(seconds, 0.001))} a second)\n`,
  )
  for (const sentence of leftOutText(left)) process.stderr.write(`vnetscope: ${sentence}\n`)
  if (failed > 0) throw new OperatorError('send_failed', `${failed} datagrams could not be sent: ${error}`)
}

function parseTarget(text: string): DatagramTarget {
  const target = targetOf(text)
  if (!target) throw new InvalidArgumentError('Expected HOST:PORT, as 127.0.0.1:6343 or [::1]:6343.')
  return target
}

function parsePositive(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number above 0.')
  return value
}
