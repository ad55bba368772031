import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

/** Lines of a packed table beside this file; scripts/name-tables.ts makes them. */
export function nameTable(name: 'vendors' | 'services'): string[] {
  const packed = readFileSync(new URL(`./${name}.br`, import.meta.url))
  return brotliDecompressSync(packed).toString('utf8').trimEnd().split('\n')
}
