import { createRequire } from 'node:module'
import type * as koffiModule from 'koffi'

// Large tables that are read all over: in pages of 2 MiB the processor finds a place with a few entries of its address cache, in
// pages of 4 KiB nearly every access has to look the page up first.

const CACHE_LINE = 64
const PAGE = 4096
/** MADV_HUGEPAGE of madvise(2). */
const HUGE_PAGE = 14

/** Below, neither pages nor lines matter: it stays in the processor's cache. */
const LARGE = 2 << 20

/**
 * Zeroed pieces of memory that begin with a cache line each, in large pages where the system has them. What was never written is not
 * taken from the system. Where the native library is missing it is any memory.
 */
export function createTableMemory(
  sizes: readonly number[],
): { readonly buffer: ArrayBuffer; readonly offset: number }[] {
  const system = sizes.some((bytes) => bytes >= LARGE) ? loadSystem() : undefined
  return sizes.map((bytes) => {
    const buffer = new ArrayBuffer(bytes + CACHE_LINE)
    if (!system) return { buffer, offset: 0 }
    const at = system.address(buffer)
    const from = Math.ceil(at / PAGE) * PAGE
    const length = Math.floor((at + buffer.byteLength) / PAGE) * PAGE - from
    // A system without large pages says no, and the memory serves as it is
    if (length >= LARGE) system.madvise(from, length, HUGE_PAGE)
    return { buffer, offset: (CACHE_LINE - (at % CACHE_LINE)) % CACHE_LINE }
  })
}

interface System {
  readonly address: (buffer: ArrayBuffer) => number
  readonly madvise: (address: number, length: number, advice: number) => number
}

function loadSystem(): System | undefined {
  if (process.platform !== 'linux') return undefined
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule
    return {
      address: (buffer) => Number(koffi.address(buffer)),
      madvise: koffi.load(null).func('int madvise(uintptr_t, size_t, int)') as System['madvise'],
    }
  } catch {
    return undefined
  }
}
