// sFlow datagrams walked by their lengths alone (sFlow v5 §5), and records held against their bytes without a table: each value that we
// print has to stand there, in that order, as some type of XDR (RFC 4506), and nothing may be left over.

import { macText, parseIp } from '../../src/base/address.ts'

export interface RawSample {
  readonly tag: number
  readonly records: readonly { readonly tag: number; readonly bytes: Uint8Array }[]
}

/** 32-bit words before the count of records, by the tag of the sample. */
const HEADS: Readonly<Record<number, number>> = { 1: 7, 2: 2, 3: 10, 4: 3, 5: 7 }

/** The samples of a datagram; of a kind that is not of the standard without records. Ends where a length is wrong. */
export function samplesIn(payload: Uint8Array): RawSample[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length)
  const samples: RawSample[] = []
  let at = view.getUint32(4) === 2 ? 40 : 28
  while (payload.length - at >= 8) {
    const tag = view.getUint32(at)
    const end = at + 8 + view.getUint32(at + 4)
    if (end > payload.length) break
    const records: { tag: number; bytes: Uint8Array }[] = []
    const head = HEADS[tag]
    let here = at + 8 + 4 * (head ?? 0)
    const count = head === undefined || here + 4 > end ? 0 : view.getUint32(here)
    here += 4
    while (records.length < count && end - here >= 8) {
      const stop = here + 8 + view.getUint32(here + 4)
      if (stop > end) break
      records.push({ tag: view.getUint32(here), bytes: payload.subarray(here + 8, stop) })
      here = stop
    }
    samples.push({ tag, records })
    at = end
  }
  return samples
}

/** How many values were found in the bytes; undefined if they don't fill them. */
export function valuesFill(record: Readonly<Record<string, unknown>>, bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { type: _, ...fields } = record
  let count = 0
  const ends = after(fields, view, new Set([0]), () => count++)
  return ends.has(bytes.length) ? count : undefined
}

/** Where the value may end, if it may begin at these places: types are not known, so that there may be several. */
function after(value: unknown, view: DataView, starts: ReadonlySet<number>, counted: () => void): Set<number> {
  if (Array.isArray(value)) {
    // With its length before it, or of as many as there is room for.
    const begun = new Set(starts)
    for (const at of starts) if (word(view, at) === value.length) begun.add(at + 4)
    return (value as unknown[]).reduce((ends: Set<number>, one) => after(one, view, ends, counted), begun)
  }
  if (typeof value === 'object' && value !== null)
    return Object.values(value).reduce((ends: Set<number>, one) => after(one, view, ends, counted), new Set(starts))
  counted()
  const ends = new Set<number>()
  for (const at of starts) for (const size of sizes(value, view, at)) ends.add(at + size)
  return ends
}

const room = (view: DataView, at: number, size: number): boolean => view.byteLength - at >= size
const word = (view: DataView, at: number): number => (room(view, at, 4) ? view.getUint32(at) : -1)

/** How many bytes the value takes up here, as each type of which it may be. */
function sizes(value: unknown, view: DataView, at: number): number[] {
  if (typeof value === 'number') {
    const found: number[] = []
    if (room(view, at, 4) && (view.getUint32(at) === value || Number(view.getFloat32(at).toPrecision(7)) === value))
      found.push(4)
    if (room(view, at, 8) && Number(view.getBigUint64(at)) === value) found.push(8)
    return found
  }
  const text = String(value)
  const bytes = (from: number, size: number): Buffer =>
    Buffer.from(view.buffer, view.byteOffset + from, Math.max(0, Math.min(size, view.byteLength - from)))
  const found: number[] = []
  if (/^\d+$/.test(text) && room(view, at, 8) && view.getBigUint64(at).toString() === text) found.push(8)
  if (room(view, at, 8) && macText(bytes(at, 6).readUIntBE(0, 6)) === text) found.push(8)
  if (bytes(at, 16).toString('hex') === text.replaceAll('-', '')) found.push(16)
  const ip = parseIp(text)
  if (ip) {
    const plain = text.includes(':') ? ip : ip.subarray(12)
    const type = text.includes(':') ? 2 : 1
    if (bytes(at, plain.length).equals(plain)) found.push(plain.length)
    if (word(view, at) === type && bytes(at + 4, plain.length).equals(plain)) found.push(4 + plain.length)
  }
  const length = word(view, at)
  if (length >= 0 && room(view, at + 4, length)) {
    const opaque = bytes(at + 4, length)
    // The last one of a record some leave unfilled.
    if (opaque.toString('utf8') === text || opaque.toString('hex') === text)
      found.push(Math.min(4 + ((length + 3) & ~3), view.byteLength - at))
  }
  return found
}
