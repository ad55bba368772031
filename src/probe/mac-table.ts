// MAC addresses → ports, without an object or a string a lookup.

/** Open addressing; a MAC is its upper 16 and its lower 32 bits. */
export class MacTable {
  private high = new Uint16Array(0)
  private low = new Uint32Array(0)
  private port = new Int32Array(0)
  private mask = 0
  private count = 0
  private readonly seed: number

  constructor(seed: number) {
    this.seed = seed | 0
    this.resize(64)
  }

  get size(): number {
    return this.count
  }

  set(mac: number, port: number): void {
    if (2 * (this.count + 1) > this.mask) this.grow()
    this.put(Math.floor(mac / 2 ** 32), mac >>> 0, port)
  }

  /** −1 if it is not there. */
  get(high: number, low: number): number {
    let at = this.place(high, low)
    while (this.port[at] !== -1) {
      if (this.low[at] === low && this.high[at] === high) return this.port[at] as number
      at = (at + 1) & this.mask
    }
    return -1
  }

  private put(high: number, low: number, port: number): void {
    let at = this.place(high, low)
    while (this.port[at] !== -1) {
      if (this.low[at] === low && this.high[at] === high) {
        this.port[at] = port
        return
      }
      at = (at + 1) & this.mask
    }
    this.high[at] = high
    this.low[at] = low
    this.port[at] = port
    this.count++
  }

  private place(high: number, low: number): number {
    // The seed goes in before the two halves meet: whoever sends chosen addresses must not know which of them do
    let hash = Math.imul(low ^ this.seed, 0x9e3779b1)
    hash = Math.imul(hash ^ (hash >>> 15) ^ high, 0x85ebca6b)
    return (hash ^ (hash >>> 13)) & this.mask
  }

  private grow(): void {
    const { high, low, port } = this
    this.resize(2 * port.length)
    for (let i = 0; i < port.length; i++)
      if (port[i] !== -1) this.put(high[i] as number, low[i] as number, port[i] as number)
  }

  private resize(places: number): void {
    this.high = new Uint16Array(places)
    this.low = new Uint32Array(places)
    this.port = new Int32Array(places).fill(-1)
    this.mask = places - 1
    this.count = 0
  }
}
