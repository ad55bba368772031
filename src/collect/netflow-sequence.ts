// Sequence numbers: what of an exporter's datagrams is missing, what came late, and when the exporter started anew.

/** Steps that are taken for late or lost; beyond them only a second datagram that goes on from there makes a new start. */
const WINDOW = 1 << 20

/**
 * How an exporter counts. By the standards v9 counts datagrams, v5 flows, IPFIX data records before the message (`before`); some count otherwise:
 * `including` adds what this datagram holds instead of what the last one held, `…Flows` leaves out options records.
 */
type Counting = 'before' | 'including' | 'beforeFlows' | 'includingFlows' | 'datagrams'

const COUNTINGS: readonly Counting[] = ['before', 'including', 'beforeFlows', 'includingFlows', 'datagrams']

export class Sequence {
  #known = false
  #last = 0
  /** Units of the last datagram, -1 if they could not be counted (records of an unknown template). */
  #units = 0
  #flows = 0
  #counting: Counting
  #otherFits = 0
  #other: Counting = 'datagrams'
  #suspect = -1
  #suspectUnits = 0
  /** Units missing, late and new starts since the last `take`. */
  lost = 0
  reordered = 0
  restarts = 0

  constructor(counting: 'before' | 'datagrams') {
    this.#counting = counting
  }

  /** True if `sequence` could go on from what was heard before: to tell an exporter that changed its port from another exporter. */
  continues(sequence: number): boolean {
    if (!this.#known) return false
    const ahead = (sequence - this.#last) >>> 0
    return ahead > 0 && ahead <= Math.max(1, this.#units) + 64
  }

  /**
   * Takes note of a datagram's sequence number, as a 32-bit word: a signed one never has to be allocated.
   * @param units the records it holds, -1 if they can't be counted.
   * @param flows those of them that are flows.
   * @param restarted the exporter's uptime has gone back.
   */
  observe(sequence: number, units: number, flows: number, restarted: boolean): void {
    if (!this.#known) return this.#resume(sequence, units, flows)
    if (restarted) {
      this.restarts++
      return this.#resume(sequence, units, flows)
    }
    if (this.#counting !== 'datagrams' && (this.#units < 0 || units < 0)) {
      // Uncounted records: no way to say what is missing between the two.
      if (((sequence - this.#last) | 0) > 0) this.#resume(sequence, units, flows)
      return
    }
    const gap = (sequence - this.#expected(this.#counting, units, flows)) | 0
    if (gap === 0) {
      this.#otherFits = 0
      return this.#resume(sequence, units, flows)
    }
    if (this.#fitsOther(sequence, units, flows)) return this.#resume(sequence, units, flows)
    if (gap > 0 && gap < WINDOW) {
      this.lost += gap
      return this.#resume(sequence, units, flows)
    }
    if (gap < 0 && gap > -WINDOW && !this.#startsAnew(sequence, units)) {
      this.reordered++
      this.lost -= this.#counting === 'datagrams' ? 1 : Math.max(0, units)
      return
    }
    if (gap < 0 && gap > -WINDOW) {
      this.restarts++
      return this.#resume(sequence, units, flows)
    }
    // Far off: one stray datagram must not count as millions lost. If the next goes on from here, it was a new start.
    if (this.#suspect >= 0 && (sequence - this.#suspect) >>> 0 <= Math.max(1, this.#suspectUnits, units) + 64) {
      this.restarts++
      return this.#resume(sequence, units, flows)
    }
    this.#suspect = sequence >>> 0
    this.#suspectUnits = Math.max(0, units)
  }

  /** Forgets where the numbers were: after a message whose records could not be counted. */
  #resume(sequence: number, units: number, flows: number): void {
    this.#known = true
    this.#last = sequence | 0
    this.#units = units
    this.#flows = flows
    this.#suspect = -1
  }

  #expected(counting: Counting, units: number, flows: number): number {
    switch (counting) {
      case 'before':
        return this.#last + this.#units
      case 'beforeFlows':
        return this.#last + this.#flows
      case 'including':
        return this.#last + units
      case 'includingFlows':
        return this.#last + flows
      case 'datagrams':
        return this.#last + 1
    }
  }

  // Exporters that count in another way than the standard are told by several datagrams in a row that fit the other way and not this one.
  #fitsOther(sequence: number, units: number, flows: number): boolean {
    // Not for…of: its iterator may be allocated, and this is called for each gap
    for (let i = 0; i < COUNTINGS.length; i++) {
      const other = COUNTINGS[i] as Counting
      if (other === this.#counting || (sequence | 0) !== (this.#expected(other, units, flows) | 0)) continue
      this.#otherFits = other === this.#other ? this.#otherFits + 1 : 1
      this.#other = other
      if (this.#otherFits >= 3) {
        this.#counting = other
        this.#otherFits = 0
      }
      return true
    }
    return false
  }

  // Going back to the start of the numbers is a new start, going back a little is a late datagram.
  #startsAnew(sequence: number, units: number): boolean {
    return sequence >>> 0 <= Math.max(1, units) && this.#last >>> 0 > 64
  }
}
