// How a command that fails says so: one sentence and what to do, on standard error.

import { CommanderError } from 'commander'
import { OperatorError, UserError } from '../base/errors.ts'

/** 0 help or version was asked for, 2 wrong usage, 1 everything else. */
export function exitStatus(error: unknown): 0 | 1 | 2 {
  if (!(error instanceof CommanderError)) return 1
  return error.exitCode === 0 ? 0 : 2
}

/** Without a stack if the user or an operator can mend it; with one if it is ours. */
export function report(error: unknown, write: (text: string) => void = (text) => process.stderr.write(text)): void {
  if (error instanceof UserError || error instanceof OperatorError) {
    write(`vnetscope: ${error.message}\n`)
    if (error.hint !== undefined) write(`  ${error.hint}\n`)
    return
  }
  write(`vnetscope: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
}
