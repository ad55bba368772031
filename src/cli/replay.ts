import { createSocket, type Socket } from 'node:dgram'
import { lookup } from 'node:dns/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type { Command } from 'commander'
import { InvalidArgumentError } from 'commander'
import { OperatorError } from '../base/errors.ts'
import { createLeftOut, leftOutText, readPayloads } from './payloads.ts'

interface Target {
  readonly host: string
  readonly port: number
}

interface ReplayOptions {
  readonly to: Target
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
    .argument('<file...>', 'pcap or pcapng (gzip too); - is standard input')
    .requiredOption('--to <host:port>', 'where to', parseTarget)
    .option('--rate <pps>', 'so many datagrams a second, instead of the original rhythm', parsePositive)
    .option('--speed <factor>', 'so many times as fast as captured', parsePositive, 1)
    .option('--max', 'as fast as it goes', false)
    .option('--raw', 'each file holds one datagram and nothing else', false)
    .action((files: string[], options: ReplayOptions) => replay(files, options))
}

async function replay(files: readonly string[], options: ReplayOptions): Promise<void> {
  const { address, family } = await resolve(options.to.host)
  // Without a lookup of its own the socket would ask the resolver for each datagram
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    sendBufferSize: 4 << 20,
    lookup: (_host, _options, done) => done(null, address, family),
  })
  const left = createLeftOut()
  const sender = createSender(socket, options.to.port, address)
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
        await sender.send(payload.bytes)
        bytes += payload.bytes.length
        count++
      }
    }
    await sender.done()
  } finally {
    socket.close()
  }
  const seconds = (performance.now() - started) / 1000
  const failed = sender.failed()
  process.stdout.write(
    `${count - failed} datagrams, ${bytes} bytes to ${options.to.host}:${options.to.port} in ${seconds.toFixed(2)} s` +
      ` (${Math.round((count - failed) / Math.max(seconds, 0.001))} a second)\n`,
  )
  for (const sentence of leftOutText(left)) process.stderr.write(`vnetscope: ${sentence}\n`)
  if (failed > 0) throw new OperatorError('send_failed', `${failed} datagrams could not be sent: ${sender.reason()}`)
}

interface Sender {
  send(payload: Uint8Array): Promise<void> | undefined
  done(): Promise<void>
  failed(): number
  reason(): string
}

function createSender(socket: Socket, port: number, address: string): Sender {
  let flying = 0
  let failed = 0
  let reason = ''
  let wake: (() => void) | undefined

  async function below(limit: number): Promise<void> {
    while (flying >= limit) {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }

  return {
    send(payload) {
      flying++
      // The payload lies in a buffer that the next packet overwrites, and sending takes place later
      socket.send(Buffer.from(payload), port, address, (error) => {
        flying--
        if (error) {
          failed++
          reason = error.message
        }
        wake?.()
      })
      return flying >= WINDOW ? below(WINDOW / 2) : undefined
    },
    done: () => below(1),
    failed: () => failed,
    reason: () => reason,
  }
}

async function resolve(host: string): Promise<{ address: string; family: number }> {
  try {
    return await lookup(host)
  } catch (cause) {
    throw new OperatorError('unknown_host', `there is no host named ${host}`, {
      cause,
      hint: 'give an address, or look at the spelling',
    })
  }
}

function parseTarget(text: string): Target {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65_535)
    throw new InvalidArgumentError('Expected HOST:PORT, as 127.0.0.1:6343 or [::1]:6343.')
  return { host: (match[1] ?? match[2]) as string, port }
}

function parsePositive(text: string): number {
  const value = Number(text)
  if (!(value > 0) || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number above 0.')
  return value
}
