import type * as koffiModule from 'koffi'
import { createRequire } from 'node:module'
import { OperatorError } from '../base/errors.ts'

// The system calls of captures, and what is needed of libpcap. Memory is given by its address, as a number.

export interface CaptureCalls {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: number, length: number) => number
  readonly setsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly getsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly mmap: (
    address: number,
    length: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ) => bigint
  readonly munmap: (address: bigint, length: number) => number
  readonly close: (fd: number) => number
  readonly ifNameToIndex: (name: string) => number
  readonly errnoName: () => string
  readonly address: (buffer: ArrayBuffer) => number
  /** Memory of the system as an ArrayBuffer, not copied. */
  readonly view: (address: bigint, length: number) => ArrayBuffer
}

/** Bound once: a binding stays in memory for good, and a device that is away is tried again and again. */
let bound: CaptureCalls | undefined

/** libc. @throws OperatorError `capture_unavailable` */
export function loadCaptureCalls(): CaptureCalls {
  return (bound ??= bindCalls())
}

function bindCalls(): CaptureCalls {
  if (process.platform !== 'linux')
    throw new OperatorError('capture_unavailable', `live capture needs Linux; this is ${process.platform}`, {
      hint: 'read a capture file instead, with -r',
    })
  const koffi = loadKoffi()
  const c = koffi.load(null)
  const names = new Map(
    Object.entries(koffi.os.errno)
      .reverse()
      .map(([name, value]) => [value, name]),
  )
  return {
    socket: c.func('int socket(int, int, int)') as CaptureCalls['socket'],
    bind: c.func('int bind(int, uintptr_t, uint)') as CaptureCalls['bind'],
    setsockopt: c.func('int setsockopt(int, int, int, uintptr_t, uint)') as CaptureCalls['setsockopt'],
    getsockopt: c.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as CaptureCalls['getsockopt'],
    mmap: withBigInt(c.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)')),
    munmap: c.func('int munmap(uintptr_t, size_t)') as CaptureCalls['munmap'],
    close: c.func('int close(int)') as CaptureCalls['close'],
    ifNameToIndex: c.func('uint if_nametoindex(str)') as CaptureCalls['ifNameToIndex'],
    errnoName: () => names.get(koffi.errno()) ?? `errno ${koffi.errno()}`,
    address: (buffer) => Number(koffi.address(buffer)),
    view: (address, length) => koffi.view(address, length),
  }
}

/** An address may come as a number where it fits into one. */
function withBigInt(call: unknown): CaptureCalls['mmap'] {
  const raw = call as (...args: unknown[]) => number | bigint
  return (...args) => BigInt(raw(...args))
}

export function loadKoffi(): typeof koffiModule {
  try {
    return createRequire(import.meta.url)('koffi') as typeof koffiModule
  } catch (cause) {
    throw new OperatorError('capture_unavailable', 'the native library koffi could not be loaded', {
      hint: 'npm ci installs it',
      cause,
    })
  }
}
