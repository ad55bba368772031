import type { DatagramTarget } from '../base/datagram-sender.ts'

/** `host:port` or `[::1]:port`; undefined if it is neither. */
export function targetOf(text: string): DatagramTarget | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port < 1 || port > 65_535) return undefined
  return { host: (match[1] ?? match[2]) as string, port }
}
