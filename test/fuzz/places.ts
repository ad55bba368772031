// Where the numbers stand that decide how the rest is read: lengths, counts, ids, types. Mutating these reaches further than random bytes do.

export const MOST_PLACES = 1024

/** Offsets of numbers of 2 and 4 bytes in one input. */
export class Places {
  readonly at = new Uint32Array(MOST_PLACES)
  readonly size = new Uint8Array(MOST_PLACES)
  count = 0

  add(at: number, size: 1 | 2 | 4): void {
    if (this.count >= MOST_PLACES) return
    this.at[this.count] = at
    this.size[this.count] = size
    this.count++
  }
}

/** Fills `places` from a datagram, as far as it can be walked. */
export function findPlaces(view: DataView, length: number, places: Places): void {
  places.count = 0
  if (length < 4) return
  const version = view.getUint16(0)
  if (version === 9) sets(view, 20, length, 0, 1, places)
  else if (version === 10) {
    places.add(2, 2)
    sets(view, 16, length, 2, 3, places)
  } else if (version === 5 || version === 7) {
    places.add(2, 2)
    places.add(22, 2)
  } else if (view.getUint32(0) === 5) sflow(view, length, places)
}

function sets(view: DataView, start: number, end: number, template: number, options: number, places: Places): void {
  let at = start
  while (end - at >= 4) {
    const id = view.getUint16(at)
    const length = view.getUint16(at + 2)
    places.add(at, 2)
    places.add(at + 2, 2)
    if (id === template || id === options) {
      // Everything in a template is a number of two bytes that matters.
      for (let k = at + 4; k + 2 <= Math.min(end, at + length); k += 2) places.add(k, 2)
    }
    if (length < 4) return
    at += length
  }
}

function sflow(view: DataView, end: number, places: Places): void {
  places.add(4, 4)
  let at = 8 + (view.getUint32(4) === 2 ? 16 : 4) + 16
  places.add(at - 4, 4)
  while (end - at >= 8) {
    const type = view.getUint32(at)
    const length = view.getUint32(at + 4)
    places.add(at, 4)
    places.add(at + 4, 4)
    const head = type === 1 ? 28 : type === 2 ? 8 : type === 3 ? 40 : type === 4 ? 12 : type === 5 ? 28 : -1
    const sampleEnd = Math.min(end, at + 8 + length)
    let record = at + 8 + head + 4
    if (head >= 0 && record <= sampleEnd) {
      places.add(record - 4, 4)
      while (sampleEnd - record >= 8) {
        const bytes = view.getUint32(record + 4)
        places.add(record, 4)
        places.add(record + 4, 4)
        // Lengths and types within a structure stand at its start, mostly.
        for (let k = record + 8; k + 4 <= Math.min(sampleEnd, record + 24); k += 4) places.add(k, 4)
        if (bytes > sampleEnd - record - 8) break
        record += 8 + ((bytes + 3) & ~3)
      }
    }
    if (length > end - at - 8) return
    at += 8 + length
  }
}
