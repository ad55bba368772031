import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

export interface ReachableFiles {
  readonly files: readonly string[]
  readonly bytes: number
  /** What is imported from outside the package: other packages, modules of Node. */
  readonly outside: readonly string[]
}

/** Every file that a compiled module loads, itself included, by its imports. */
export function reachableFiles(entry: string): ReachableFiles {
  const files = new Set<string>()
  const outside = new Set<string>()
  let bytes = 0
  const waiting = [entry]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue
    files.add(file)
    const text = readFileSync(file, 'utf8')
    bytes += Buffer.byteLength(text)
    for (const [, from, bare, dynamic] of text.matchAll(
      /^(?:import|export)\b[^'"]*?\bfrom\s*['"]([^'"]+)['"]|^import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm,
    )) {
      const specifier = (from ?? bare ?? dynamic) as string
      if (specifier.startsWith('.')) waiting.push(join(dirname(file), specifier))
      else outside.add(specifier)
    }
  }
  return { files: [...files], bytes, outside: [...outside] }
}
