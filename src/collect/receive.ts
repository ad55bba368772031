import { OperatorError } from '../base/errors.ts'
import type { Datagram } from './ingest.ts'

/** Where to listen. `host` is an address of this machine; `::` takes IPv6 and IPv4 alike. Port 0 lets the system choose. */
export interface ListenerConfig {
  readonly host: string
  readonly port: number
}

/** Where to listen for IPFIX over TCP, or with `tls` over TLS; certificates and key as PEM text. */
export interface TcpListenerConfig extends ListenerConfig {
  readonly tls?: {
    readonly cert: string
    readonly key: string
    /** Exporters must show a certificate of these authorities. */
    readonly ca?: string
  }
}

/** One open socket and what came through it; the counters are cumulative. */
export interface Listener {
  readonly address: string
  readonly port: number
  /** UDP if it is missing. */
  readonly transport?: 'tcp' | 'tls'
  /** What the kernel gave, which may be less than was asked. */
  readonly receiveBufferBytes: number
  datagrams: number
  bytes: number
  /** Datagrams that the kernel threw away because the receive buffer was full. */
  kernelDropped: number
}

export interface SocketOptions {
  readonly receiveBufferBytes: number
  /** True if several receivers share each port. The kernel then spreads datagrams by the hash of addresses and ports. */
  readonly reusePort: boolean
}

export const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024

/** Takes one datagram; its bytes are valid only during the call. */
export type DatagramHandler = (datagram: Datagram) => void

const SENTENCES: Readonly<Record<string, (where: string, port: number) => { message: string; hint: string }>> = {
  EADDRINUSE: (where, port) => ({
    message: `UDP ${where} is already in use by another program`,
    hint: `ss -lunp 'sport = :${port}' shows which; stop it, or choose another port in the configuration`,
  }),
  EACCES: (where) => ({
    message: `this user may not listen on UDP ${where}`,
    hint: 'ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher port or grant the capability',
  }),
  EPERM: (where) => ({
    message: `this user may not listen on UDP ${where}`,
    hint: 'ports below 1024 need root or CAP_NET_BIND_SERVICE; choose a higher port or grant the capability',
  }),
  EADDRNOTAVAIL: (where) => ({
    message: `UDP ${where} can't be opened: this machine has no such address`,
    hint: 'use an address of this machine (ip -brief address lists them), or :: for all',
  }),
  EAFNOSUPPORT: (where) => ({
    message: `UDP ${where} can't be opened: this machine has no IPv6`,
    hint: 'listen on 0.0.0.0 instead of ::',
  }),
  EMFILE: (where) => ({
    message: `UDP ${where} can't be opened: too many files are open`,
    hint: 'raise the limit of open files (ulimit -n)',
  }),
}

/** An errno name met while opening `host:port`, as one sentence for the operator. */
export function listenError(
  errno: string,
  listener: ListenerConfig,
  cause?: unknown,
  protocol: 'UDP' | 'TCP' = 'UDP',
): OperatorError {
  const where = `port ${listener.port} on ${listener.host}`
  const sentence = SENTENCES[errno]?.(where, listener.port) ?? {
    message: `UDP ${where} can't be opened (${errno})`,
    hint: 'see the system log',
  }
  const message = sentence.message.replace('UDP', protocol)
  const hint = protocol === 'TCP' ? sentence.hint.replace('ss -lunp', 'ss -ltnp') : sentence.hint
  return new OperatorError(errno === 'EADDRINUSE' ? 'port_in_use' : 'listen_failed', message, {
    hint,
    cause,
  })
}

/** A datagram object over a receive buffer, to be reused for each datagram read into it. */
export function datagramOver(buffer: ArrayBufferLike): Datagram {
  return {
    bytes: new Uint8Array(buffer),
    view: new DataView(buffer),
    offset: 0,
    length: 0,
    receivedAt: 0,
    source0: 0,
    source1: 0,
    source2: 0,
    source3: 0,
    sourcePort: 0,
  }
}
