// Golden files: what other projects keep as the right reading of a capture (GOLDEN.tsv).

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { table } from './netflow-inputs.ts'
import { CAPTURES } from './pdml.ts'

export interface Golden {
  /** Its own path, and those of the captures that it reads, in order. */
  readonly golden: string
  readonly files: readonly string[]
  readonly semantics: string
  readonly text: string
}

/** The golden files of one project whose captures are there. */
export function goldensOf(repository: string): Golden[] {
  return table('GOLDEN.tsv')
    .filter(([, from]) => from === repository)
    .map(([golden = '', , , , semantics = '', files = '']) => ({
      golden,
      files: files.trim().split(' '),
      semantics,
      text: readFileSync(join(CAPTURES, golden), 'utf8'),
    }))
    .filter(({ files }) => files.every((file) => existsSync(join(CAPTURES, file))))
}
