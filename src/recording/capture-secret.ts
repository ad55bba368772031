import { scryptSync } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { UserError } from '../base/errors.ts'

// The secret that those share who may capture from afar: a line of text in a file that others can't read. It never goes over
// the wire; TLS proves on both sides that the other knows it (RFC 8446 §4.2.11).

const LEAST_LETTERS = 16
const ANYBODY = 0o006
const HINT = 'make one: (umask 077; head -c 32 /dev/urandom | base64 > FILE)'

/** The key that the secret in this file stands for. @throws UserError */
export function readCaptureKey(file: string): Buffer {
  let text: string
  let mode: number
  try {
    mode = statSync(file).mode
    text = readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new UserError(
      `the secret of captures, ${file}, can’t be read (${(cause as NodeJS.ErrnoException).code ?? String(cause)})`,
      { hint: HINT, cause },
    )
  }
  if ((mode & ANYBODY) !== 0)
    throw new UserError(`the secret of captures, ${file}, can be read or changed by anybody`, {
      hint: `chmod o= ${file}`,
    })
  if (text.length < LEAST_LETTERS)
    throw new UserError(
      `the secret of captures, ${file}, has ${text.length} letters: expected ${LEAST_LETTERS} or more`,
      {
        hint: HINT,
      },
    )
  // Slow, so that somebody who overhears a beginning can't try many secrets
  return scryptSync(text, 'vnetscope capture', 32)
}
