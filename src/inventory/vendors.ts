import { nameTable } from './name-table.ts'

export interface Vendors {
  /** Who was given the block that a MAC address is of; undefined if nobody was, or the address was made up locally. */
  vendorOf(mac: number): string | undefined
}

/** Blocks of IEEE's registry by the bits that are left to their owner: MA-S, MA-M, MA-L. The smaller one wins. */
const FREE_BITS = [12, 20, 24] as const
const LOCAL = 2 ** 41

/** The table of MAC vendors, unpacked when it is first asked. */
export function createVendors(): Vendors {
  let blocks: ReadonlyMap<number, string>[] | undefined

  function read(): ReadonlyMap<number, string>[] {
    const maps = FREE_BITS.map(() => new Map<number, string>())
    for (const line of nameTable('vendors')) {
      const [name, prefixes] = line.split('\t') as [string, string]
      for (const prefix of prefixes.split(' ')) {
        const of = FREE_BITS.indexOf((48 - 4 * prefix.length) as 12 | 20 | 24)
        maps[of]?.set(Number.parseInt(prefix, 16), name)
      }
    }
    return maps
  }

  return {
    vendorOf(mac) {
      if (Math.floor(mac / LOCAL) % 2 === 1) return LOCALLY_MADE.get(Math.floor(mac / 2 ** 24))
      blocks ??= read()
      for (const [i, bits] of FREE_BITS.entries()) {
        const name = blocks[i]?.get(Math.floor(mac / 2 ** bits))
        if (name !== undefined) return name
      }
      return undefined
    },
  }
}

/** Locally administered prefixes that virtual networks use by custom: nobody gives them out. */
const LOCALLY_MADE: ReadonlyMap<number, string> = new Map([
  [0x525400, 'QEMU/KVM'],
  [0x0242ac, 'Docker'],
])
