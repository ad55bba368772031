import { spawn } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { OperatorError, UserError } from '../base/errors.ts'

// A command that goes on in the background. Whoever starts it sees whether it works: the first process ends when the second
// says so, or with what hindered it.

const MARK = 'VNETSCOPE_DAEMON'
/** Names of collectors may take long to resolve. */
const START_MS = 60_000

/** True in the process that goes on. */
export function isDaemon(): boolean {
  return process.env[MARK] !== undefined
}

/** What the second process tells the first. */
type Word = { readonly started: true } | { readonly failed: string; readonly hint: string | undefined }

/** Starts this command once more, in the background. Resolves when that works; rejects with what hinders it. */
export async function startDaemon(pidFile: string): Promise<void> {
  const running = runningPid(pidFile)
  if (running !== undefined)
    throw new UserError(`process ${running} of ${pidFile} is running already`, {
      hint: `end it first (kill ${running}), or have it read its file again (kill -HUP ${running})`,
    })
  const child = spawn(process.execPath, process.argv.slice(1), {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...process.env, [MARK]: '1' },
  })
  if (child.pid === undefined) throw new OperatorError('no_daemon', 'the background process can’t be started')
  try {
    writeFileSync(pidFile, `${child.pid}\n`)
  } catch (cause) {
    child.kill()
    throw new OperatorError(
      'pid_file',
      `${pidFile} can’t be written (${(cause as NodeJS.ErrnoException).code ?? ''})`,
      { hint: 'name another with --pid-file', cause },
    )
  }
  const word = await new Promise<Word | undefined>((resolve) => {
    child.once('message', (message) => resolve(message as Word))
    child.once('exit', () => resolve(undefined))
    setTimeout(() => resolve({ started: true }), START_MS).unref()
  })
  if (word === undefined) throw new OperatorError('no_daemon', 'the background process ended at once; see syslog')
  if ('failed' in word) throw new UserError(word.failed, word.hint === undefined ? {} : { hint: word.hint })
  if (child.connected) child.disconnect()
  child.unref()
}

/** In the background: tells whoever waits that all works. */
export function tellStarted(): void {
  tell({ started: true })
}

/** In the background: tells whoever still waits what is wrong. */
export function tellFailed(error: unknown): void {
  const hint = error instanceof UserError || error instanceof OperatorError ? error.hint : undefined
  tell({ failed: error instanceof Error ? error.message : String(error), hint })
}

function tell(word: Word): void {
  if (!process.connected || !process.send) return
  process.send(word, () => {
    if (process.connected) process.disconnect?.()
  })
}

/** Who has become another user may not write in its folder. A file that names another process by now is that one's. */
export function removePidFile(file: string): void {
  try {
    if (pidIn(file) === process.pid) rmSync(file, { force: true })
  } catch {
    // The next start writes it anew; no process has its number for long
  }
}

function pidIn(file: string): number | undefined {
  try {
    const pid = Number(readFileSync(file, 'utf8').trim())
    return Number.isInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    return undefined
  }
}

/** The process that a file names, if it is there and is one of these: its number may be another's by now, also this one's. */
function runningPid(file: string): number | undefined {
  const pid = pidIn(file)
  if (pid === undefined || pid === process.pid) return undefined
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words[1] === process.argv[1] && words[2] === process.argv[2] ? pid : undefined
  } catch {
    return undefined
  }
}
