import { VARIABLE, type Template } from './template.ts'

/**
 * Finds the fields of the record at `at`: their offsets and lengths go into the two arrays. Answers where the record ends,
 * or -1 if it reaches beyond `end`. This is the plain reading of RFC 7011 §3.4.3, for options data and for people;
 * flow records in number are read by compiled decoders.
 */
export function locateFields(
  template: Template,
  view: DataView,
  at: number,
  end: number,
  offsets: Uint32Array,
  lengths: Uint32Array,
): number {
  const count = template.lengths.length
  for (let i = 0; i < count; i++) {
    let length = template.lengths[i] as number
    if (length === VARIABLE) {
      if (end - at < 1) return -1
      length = view.getUint8(at++)
      if (length === 255) {
        if (end - at < 2) return -1
        length = view.getUint16(at)
        at += 2
      }
    }
    if (end - at < length) return -1
    offsets[i] = at
    lengths[i] = length
    at += length
  }
  return at
}
