import { open } from 'node:fs/promises'

/** Bytes of two varints of up to ten bytes. */
const HEAD_BYTES = 20
const MAX_COLUMNS = 1000

/** Says why a file cannot be the Native block of so many rows, if its first bytes show it. */
export async function headerProblem(path: string, rows: number): Promise<string | undefined> {
  const handle = await open(path, 'r')
  try {
    const head = new Uint8Array(HEAD_BYTES)
    const { bytesRead } = await handle.read(head, 0, HEAD_BYTES, 0)
    const columns = varint(head.subarray(0, bytesRead), 0)
    const found = columns && varint(head.subarray(0, bytesRead), columns.next)
    if (!columns || !found) return 'the file is cut off'
    if (columns.value === 0 || columns.value > MAX_COLUMNS) return `the block has ${columns.value} columns`
    return found.value === rows ? undefined : `the block has ${found.value} rows, its name says ${rows}`
  } finally {
    await handle.close()
  }
}

function varint(bytes: Uint8Array, from: number): { value: number; next: number } | undefined {
  let value = 0
  let scale = 1
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return { value, next: at + 1 }
    scale *= 128
  }
  return undefined
}
