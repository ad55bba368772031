import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'

// A directory that is gone when its process is: also where that is interrupted, or ended because nobody reads on.

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface ScratchDirectory {
  readonly dir: string
  remove(): Promise<void>
}

/** @param writer process that writes into it, which is ended first where there is no time to ask it */
export async function createScratchDirectory(
  name: string,
  writer: () => number | undefined,
): Promise<ScratchDirectory> {
  const dir = await mkdtemp(join(tmpdir(), name))
  const atExit = (): void => {
    const pid = writer()
    try {
      if (pid !== undefined) process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended itself.
    }
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 })
  }
  const onSignal = (signal: (typeof SIGNALS)[number]): void => process.exit(128 + constants.signals[signal])
  process.once('exit', atExit)
  for (const signal of SIGNALS) process.once(signal, onSignal)
  return {
    dir,
    remove: async () => {
      await rm(dir, { recursive: true, force: true })
      process.off('exit', atExit)
      for (const signal of SIGNALS) process.off(signal, onSignal)
    },
  }
}
