import { InvalidArgumentError, type Command } from 'commander'
import { systemClock } from '../base/clock.ts'
import { loadConfig } from '../app/config-file.ts'
import type { Config } from '../app/config.ts'
import { version } from './version.ts'

interface ServeFlags {
  config?: string
  data?: string
  http?: { host: string; port: number }
  demo?: boolean
}

export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Collector, store, API and console in one. Prints one line with the URL when it is ready.')
    .option('--config <file>', 'configuration (YAML); see `vnetscope check`')
    .option('--data <dir>', 'directory of the store, the spool and the state (default: ./data)')
    .option('--http <host:port>', 'address of the console and the API (default: 127.0.0.1:8080)', parseHostPort)
    .option('--demo', 'add a simulated data center as a live source')
    .action(serve)
}

async function serve(flags: ServeFlags): Promise<void> {
  const config = withFlags(loadConfig(flags.config), flags)
  let stop = (): Promise<void> => Promise.resolve()
  let isAskedToEnd = false
  const end = (): void => {
    isAskedToEnd = true
    void stop()
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  const { createServer } = await import('../app/server.ts')
  if (isAskedToEnd) return
  const server = createServer(config, { clock: systemClock, version: version(), demo: flags.demo === true })
  stop = () => server.stop()
  try {
    const { url, listeners } = await server.start()
    const ports = (over: readonly string[]): string =>
      [...new Set(listeners.filter(({ receiver }) => over.includes(receiver)).map(({ port }) => port))].join(', ')
    const udp = ports(['recvmmsg', 'dgram'])
    const tcp = ports(['tcp', 'tls'])
    const what = [
      ...(udp === '' ? [] : [`sFlow, NetFlow and IPFIX on UDP ${udp}`]),
      ...(tcp === '' ? [] : [`IPFIX on TCP ${tcp}`]),
    ].join('; ')
    process.stdout.write(`vnetscope is ready: ${url} (${what})\n`)
  } catch (error) {
    await server.stop()
    if (isAskedToEnd) return
    throw error
  }
  await server.stopped
}

function withFlags(config: Config, flags: ServeFlags): Config {
  return {
    ...config,
    data: flags.data ?? config.data,
    http: { ...config.http, ...flags.http },
  }
}

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` or `8080`. */
function parseHostPort(text: string): { host: string; port: number } {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65_535) {
    throw new InvalidArgumentError('expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080')
  }
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}
