// What no committed file may hold: paths of one machine, and large files that nothing generates or names.

import { execFileSync } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'

const LARGEST = 400_000
/** Written by a tool or a script; their size says nothing. */
const GENERATED = [/^package-lock\.json$/, /^docs\/img\//, /^docs\/reference\//, /\.generated\.ts$/]
const BINARY = /\.(?:png|jpe?g|ico|woff2?|pcap|pcapng|bin|parquet)$/
/** Home folders and working folders of whoever wrote it. */
const MACHINE_PATH = /(?:\/home\/(?!vnetscope\b)[a-z][\w-]*\/|\/Users\/\w+\/|\/root\/|(?<![\w.$}/-])\/work\/)/

/** Every breach in the files that git knows, as sentences. */
export function checkTree(root: string): string[] {
  const problems: string[] = []
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const path of files.split('\0').filter((name) => name !== '')) {
    const stat = statSync(`${root}/${path}`, { throwIfNoEntry: false })
    if (!stat?.isFile()) continue
    if (stat.size > LARGEST && !GENERATED.some((pattern) => pattern.test(path))) {
      problems.push(
        `${path} has ${stat.size} bytes: let a script make it, or make it smaller (the bound is ${LARGEST})`,
      )
    }
    if (BINARY.test(path) || path === 'scripts/tree.ts') continue
    for (const [i, line] of readFileSync(`${root}/${path}`, 'utf8').split('\n').entries()) {
      const found = MACHINE_PATH.exec(line)
      if (found)
        problems.push(
          `${path}:${i + 1} names a path of one machine (${found[0]}): make it relative, or read it from the environment`,
        )
    }
  }
  return problems
}

if (import.meta.main) {
  const problems = checkTree(process.cwd())
  for (const problem of problems) console.error(problem)
  process.exitCode = problems.length === 0 ? 0 : 1
}
