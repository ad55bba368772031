import { readdirSync, statfsSync } from 'node:fs'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { OperatorError, UserError } from '../base/errors.ts'
import type { Chunk } from './packet-blocks.ts'
import type { RecordingOutput } from './recorder.ts'

// Chunks into files: one, or one after another, of which the newest are kept. A full disk costs the packets that find no room,
// which are counted; the file ends at a whole packet then, and goes on when there is room again.

export interface FileOutputConfig {
  readonly path: string
  /** Whether there may be several files, with a number and the time in their names as dumpcap gives them. */
  readonly isNumbered: boolean
  /** Files that are kept; those of an earlier run count. */
  readonly most: number
}

export interface FileOutputDeps {
  readonly clock: Clock
  /** Sentences for the operator. */
  say(sentence: string): void
}

export interface FileOutput extends RecordingOutput {
  /** Of the files that there are, oldest first. */
  readonly names: readonly string[]
}

/** Kept free behind what was written last, so that the statistics find room on a full disk. */
const END_BYTES = 512
/** A full disk is tried again when it has so much more than is to be written. */
const SPARE_BYTES = 64 * 1024
/** A disk that is full again and again is not spoken of more often. */
const SILENT_MS = 60_000

const FULL = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

/** Nothing is opened before the first chunk. */
export function createFileOutput(config: FileOutputConfig, deps: FileOutputDeps): FileOutput {
  const isRing = config.isNumbered && config.most !== Infinity
  const names = config.isNumbered ? earlierFiles(config.path) : []
  let number = names.length === 0 ? 0 : numberOf(names[names.length - 1] as string)
  let handle: FileHandle | undefined
  let name = config.path
  /** Neither a pipe nor a device, which have no places in them. */
  let isRegular = true
  let position = 0
  let bytesBefore = 0
  /** What has to stand before the next packets and is not written yet. */
  let owed: Uint8Array = new Uint8Array(0)
  let unwritten = 0
  let unwrittenSaid = 0
  let isFull = false
  let hasShrunk = false
  let spokenAt = -Infinity

  async function nextFile(): Promise<void> {
    await endFile()
    if (isRing) await removeOldest(config.most - 1)
    if (config.isNumbered) name = numberedName(config.path, ++number, deps.clock.now())
    await openFile()
  }

  /** False if the disk is full: it is tried again. */
  async function openFile(): Promise<boolean> {
    position = 0
    try {
      handle = await open(name, 'w', 0o640)
      isRegular = (await handle.stat()).isFile()
      names.push(name)
      return true
    } catch (cause) {
      const code = (cause as NodeJS.ErrnoException).code ?? String(cause)
      if (FULL.has(code)) return false
      throw new UserError(`${name} can’t be written (${code})`, {
        cause,
        ...(code === 'ENOENT' ? { hint: `there is no folder ${dirname(name)}` } : {}),
      })
    }
  }

  async function removeOldest(most: number): Promise<void> {
    while (names.length > most) {
      // Somebody may have taken it away
      await unlink(names.shift() as string).catch(() => undefined)
    }
  }

  async function endFile(): Promise<void> {
    if (!handle) return
    await handle.close()
    handle = undefined
    const length = position
    bytesBefore += length
    position = 0
    // A file without its head is none
    if (length > 0 || !isRegular) return
    names.pop()
    await unlink(name).catch(() => undefined)
  }

  /** Bytes that found room; fewer than there are if the disk is full. */
  async function write(bytes: Uint8Array): Promise<number> {
    const file = handle as FileHandle
    let done = 0
    try {
      while (done < bytes.length)
        done += (await file.write(bytes, done, bytes.length - done, isRegular ? position + done : null)).bytesWritten
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? ''
      if (!FULL.has(code))
        throw new OperatorError('write_failed', `${name} can’t be written any more (${code})`, { cause: error })
    }
    return done
  }

  async function cutAt(length: number): Promise<void> {
    if (isRegular) await handle?.truncate(length)
  }

  /** All of it, or nothing. */
  async function writeWhole(bytes: Uint8Array): Promise<boolean> {
    if ((await write(bytes)) < bytes.length) {
      await cutAt(position)
      return false
    }
    position += bytes.length
    return true
  }

  /** Writes the chunk from byte `from` on. Answers the first byte that found no room: always that of a packet. */
  async function put(chunk: Chunk, from: number): Promise<number> {
    if (!handle && !(await openFile())) return from
    if (owed.length > 0) {
      if (!(await writeWhole(owed))) return from
      owed = new Uint8Array(0)
    }
    const body = chunk.bytes.subarray(from, chunk.length)
    const done = await write(body)
    const kept = done === body.length ? done : wholeBlocks(chunk, from, done - END_BYTES)
    if (kept < body.length) await cutAt(position + kept)
    position += kept
    return from + kept
  }

  const isWritten = (chunk: Chunk, at: number): boolean => at === chunk.length && owed.length === 0

  /** Writes what there is room for, and answers how many packets there was none for. */
  async function putAll(chunk: Chunk): Promise<number> {
    if (isFull && !hasRoomFor(chunk.length + owed.length)) return chunk.packets
    let at = await put(chunk, 0)
    // The oldest of a ring give way
    while (!isWritten(chunk, at) && isRing && names.length > 1) {
      if (!hasShrunk) deps.say(`the disk is full: the ring of ${config.path} keeps fewer files than it might`)
      hasShrunk = true
      await removeOldest(names.length - 1)
      at = await put(chunk, at)
    }
    if (isWritten(chunk, at)) beWell()
    else beFull()
    return packetsFrom(chunk, at)
  }

  function beFull(): void {
    if (isFull) return
    isFull = true
    const now = deps.clock.now()
    // A clock that was set back is no reason for silence
    if (Math.abs(now - spokenAt) < SILENT_MS) return
    spokenAt = now
    deps.say(`the disk is full: packets for ${name} are counted and not written until there is room again`)
  }

  function beWell(): void {
    if (!isFull) return
    isFull = false
    if (Math.abs(deps.clock.now() - spokenAt) < SILENT_MS && unwrittenSaid > 0) return
    deps.say(`there is room again: ${unwritten - unwrittenSaid} packets were not written`)
    unwrittenSaid = unwritten
  }

  function hasRoomFor(bytes: number): boolean {
    try {
      const { bavail, bsize } = statfsSync(dirname(config.path))
      return bavail * bsize >= bytes + SPARE_BYTES
    } catch {
      return true
    }
  }

  return {
    get names() {
      return names
    },
    get unwritten() {
      return unwritten
    },
    get bytes() {
      return bytesBefore + position
    },
    async write(chunk) {
      if (chunk.beginsFile) {
        owed = chunk.prelude
        await nextFile()
      } else if (chunk.prelude.length > 0) owed = Buffer.concat([owed, chunk.prelude])
      unwritten += await putAll(chunk)
      if (chunk.epilogue.length > 0 && handle && owed.length === 0) await writeWhole(chunk.epilogue)
    },
    close: endFile,
  }
}

/** Bytes of whole blocks, from `from` on, within so many. */
function wholeBlocks(chunk: Chunk, from: number, within: number): number {
  let at = from
  while (at < chunk.length && at + chunk.view.getUint32(at + 4, true) - from <= within)
    at += chunk.view.getUint32(at + 4, true)
  return at - from
}

function packetsFrom(chunk: Chunk, from: number): number {
  let count = 0
  for (let at = from; at < chunk.length; at += chunk.view.getUint32(at + 4, true)) count++
  return count
}

/** `trace.pcapng` → `trace_00001_20261122100000.pcapng`, in local time. */
function numberedName(path: string, number: number, now: number): string {
  const extension = extname(path)
  const date = new Date(now)
  const digits = (value: number, width = 2): string => String(value).padStart(width, '0')
  const stamp =
    digits(date.getFullYear(), 4) +
    [date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()]
      .map((value) => digits(value))
      .join('')
  return join(dirname(path), `${basename(path, extension)}_${digits(number, 5)}_${stamp}${extension}`)
}

const NUMBERED = /_(\d{5,9})_\d{14}$/

function numberOf(name: string): number {
  return Number(NUMBERED.exec(basename(name, extname(name)))?.[1] ?? 0)
}

/** Files of earlier runs under this name, by number. */
function earlierFiles(path: string): string[] {
  const extension = extname(path)
  const base = basename(path, extension)
  let found: string[]
  try {
    found = readdirSync(dirname(path))
  } catch {
    return []
  }
  return found
    .filter((name) => {
      const stem = basename(name, extension)
      return extname(name) === extension && stem.startsWith(`${base}_`) && NUMBERED.exec(stem)?.index === base.length
    })
    .map((name) => join(dirname(path), name))
    .toSorted((a, b) => numberOf(a) - numberOf(b))
}
