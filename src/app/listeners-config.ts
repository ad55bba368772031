import { readFileSync } from 'node:fs'
import { OperatorError } from '../base/errors.ts'
import type { ListenerConfig, TcpListenerConfig } from '../collect/receive.ts'
import type { Config } from './config.ts'

/** Where to listen for datagrams. */
export function udpListenersOf(config: Config): ListenerConfig[] {
  return config.listeners.flatMap(({ address, ports }) => ports.map((port) => ({ host: address, port })))
}

/** Where to listen for connections. Throws if a certificate or key can't be read. */
export function tcpListenersOf(config: Config): TcpListenerConfig[] {
  return config.listeners.flatMap(({ address, tcp, tls }) => {
    if (tcp.length === 0) return []
    const files =
      tls === null
        ? {}
        : {
            tls: {
              cert: pemOf(tls.cert),
              key: pemOf(tls.key),
              ...(tls.ca === null ? {} : { ca: pemOf(tls.ca) }),
            },
          }
    return tcp.map((port) => ({ host: address, port, ...files }))
  })
}

function pemOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? 'unknown error')
    throw new OperatorError('tls_files', `cannot read ${file} for TLS: ${why}`, { cause })
  }
}
