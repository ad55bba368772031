import { join } from 'node:path'

// What lies in the spool directory, told by names alone, because the writer and the loader share nothing else:
//   <id>-<table>-<rows>.native       accepted rows, on their way to the store
//   <id>-<table>-<rows>.native.tmp   being written; void after a crash
//   <token>.group                    files fixed as one insert, under way
//   <token>.done                     a group that the store has; its files may be deleted
//   epoch                            makes ids unique for ever, over restarts too
//   collector                        who inserts into a cluster, and where (collector-identity.ts)
//   rejected/                        files that the store cannot read
// An id is 8 + 8 hexadecimal digits: the epoch of the writer, and its count of files.

export interface SpoolFile {
  readonly file: string
  readonly id: string
  readonly table: string
  readonly rows: number
}

const NAME = /^([0-9a-f]{16})-([a-z_]+)-(\d{1,9})\.native$/

export function spoolFileName(epoch: number, sequence: number, table: string, rows: number): string {
  return `${hex8(epoch)}${hex8(sequence)}-${table}-${rows}.native`
}

export function parseSpoolFile(file: string): SpoolFile | undefined {
  const match = NAME.exec(file)
  if (!match) return undefined
  return { file, id: match[1] as string, table: match[2] as string, rows: Number(match[3]) }
}

export function epochOf(id: string): number {
  return Number.parseInt(id.slice(0, 8), 16)
}

export function epochFile(dir: string): string {
  return join(dir, 'epoch')
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0')
}
