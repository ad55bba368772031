// Field values that need more than a read: integers of any length as two 32-bit words, NTP time stamps (RFC 7011 §6.1), text up to its zeroes.

/** Low 32 bits of the big-endian integer of `length` bytes at `at`. */
export function uintLow(view: DataView, at: number, length: number): number {
  let value = 0
  for (let i = Math.max(0, length - 4); i < length; i++) value = (value << 8) | view.getUint8(at + i)
  return value >>> 0
}

/** Bits 32–63 of the big-endian integer of `length` bytes at `at`. */
export function uintHigh(view: DataView, at: number, length: number): number {
  return length <= 4 ? 0 : uintLow(view, at, length - 4)
}

/** Seconds from 1900, where NTP time starts, to 1970. */
export const NTP_TO_UNIX = 2_208_988_800

/**
 * dateTimeMicroseconds and dateTimeNanoseconds → milliseconds since 1970. They are NTP time stamps (seconds since 1900 and a 32-bit fraction),
 * but some exporters count microseconds or nanoseconds since 1970 instead: then the upper word is far too small for an NTP time of this era.
 * @param perMilli how many of the unit a millisecond has, for those.
 */
export function ntpMillis(high: number, low: number, perMilli: number): number {
  if (high < 0x8000_0000) return Math.floor((high * 0x1_0000_0000 + low) / perMilli)
  return (high - NTP_TO_UNIX) * 1000 + Math.floor((low * 1000) / 0x1_0000_0000)
}

/** Text of a field of fixed length up to the zeroes that fill it. */
export function fieldText(view: DataView, at: number, length: number): string {
  let end = 0
  while (end < length && view.getUint8(at + end) !== 0) end++
  return new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at, end).slice()).trim()
}
