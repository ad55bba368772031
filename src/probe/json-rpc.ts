import { connect } from 'node:net'

/** A database of tens of thousands of ports fits; what never ends does not. */
const MOST_BYTES = 64 << 20
const PATIENCE_MS = 3000

/** Asks once over a unix socket, as JSON-RPC 1.0 (RFC 7047 §4). @returns the result; undefined if nobody answers or the answer is an error */
export async function askJsonRpc(socketPath: string, method: string, params: readonly unknown[]): Promise<unknown> {
  return await new Promise((done) => {
    const socket = connect(socketPath)
    const parts: Buffer[] = []
    let bytes = 0
    const end = (result: unknown): void => {
      clearTimeout(timer)
      socket.destroy()
      done(result)
    }
    const timer = setTimeout(() => end(undefined), PATIENCE_MS)
    socket.on('error', () => end(undefined))
    socket.on('close', () => end(undefined))
    socket.on('data', (part: Buffer) => {
      parts.push(part)
      bytes += part.length
      if (bytes > MOST_BYTES) return end(undefined)
      // The answer is one object, and ends where its last brace does
      if (part[part.length - 1] !== 0x7d && part[part.length - 1] !== 0x0a) return
      const answer = parsed(Buffer.concat(parts).toString('utf8'))
      if (answer) end(answer.error === null ? answer.result : undefined)
    })
    socket.write(JSON.stringify({ id: 1, method, params }))
  })
}

function parsed(text: string): { readonly result?: unknown; readonly error?: unknown } | undefined {
  try {
    return JSON.parse(text) as { result?: unknown; error?: unknown }
  } catch {
    // A brace within: the rest is still to come
    return undefined
  }
}
