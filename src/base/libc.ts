import type * as koffiModule from 'koffi'
import { createRequire } from 'node:module'
import { OperatorError } from './errors.ts'

// The system calls that Node doesn't offer, through koffi. Memory is given by its address, as a number; a call that blocks,
// blocks its thread.

export interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: number, length: number) => number
  readonly getsockname: (fd: number, address: number, length: number) => number
  readonly setsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly getsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly send: (fd: number, bytes: number, length: number, flags: number) => number
  readonly recv: (fd: number, bytes: number, length: number, flags: number) => number
  readonly sendmmsg: (fd: number, vector: number, length: number, flags: number) => number
  readonly poll: (fds: number, count: number, timeout: number) => number
  readonly recvmmsg: (fd: number, vector: number, length: number, flags: number, timeout: number) => number
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
  readonly usleep: (microseconds: number) => number
  readonly ifNameToIndex: (name: string) => number
  readonly errno: () => number
  readonly errnoName: (errno: number) => string
  readonly address: (buffer: ArrayBuffer) => number
  /** Memory of the system as an ArrayBuffer, not copied. */
  readonly view: (address: bigint, length: number) => ArrayBuffer
}

export type Koffi = typeof koffiModule

/** Bound once: a binding stays in memory for good, and some callers come back every second. */
let bound: Libc | undefined

/**
 * @param code of the error if there is none
 * @param consequence ends its sentence: “…, so recvmmsg is not available”
 * @throws OperatorError
 */
export function loadLibc(code: string, consequence: string): Libc {
  return (bound ??= bind(code, consequence))
}

function bind(code: string, consequence: string): Libc {
  const supported = process.platform === 'linux' && ['x64', 'arm64', 'riscv64'].includes(process.arch)
  if (!supported) {
    const machine = `${process.platform}/${process.arch}`
    throw new OperatorError(code, `this is ${machine}, not 64-bit Linux, so ${consequence}`)
  }
  const koffi = loadKoffi(code, consequence)
  const c = koffi.load(null)
  // Some numbers have two names; the first is the usual one.
  const names = new Map(
    Object.entries(koffi.os.errno)
      .reverse()
      .map(([name, value]) => [value, name]),
  )
  const mmap = c.func('uintptr_t mmap(uintptr_t, size_t, int, int, int, int64_t)') as (
    ...args: unknown[]
  ) => number | bigint
  return {
    socket: c.func('int socket(int, int, int)') as Libc['socket'],
    bind: c.func('int bind(int, uintptr_t, uint)') as Libc['bind'],
    getsockname: c.func('int getsockname(int, uintptr_t, uintptr_t)') as Libc['getsockname'],
    setsockopt: c.func('int setsockopt(int, int, int, uintptr_t, uint)') as Libc['setsockopt'],
    getsockopt: c.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as Libc['getsockopt'],
    send: c.func('long send(int, uintptr_t, size_t, int)') as Libc['send'],
    recv: c.func('long recv(int, uintptr_t, size_t, int)') as Libc['recv'],
    sendmmsg: c.func('int sendmmsg(int, uintptr_t, uint, int)') as Libc['sendmmsg'],
    poll: c.func('int poll(uintptr_t, ulong, int)') as Libc['poll'],
    recvmmsg: c.func('int recvmmsg(int, uintptr_t, uint, int, uintptr_t)') as Libc['recvmmsg'],
    // An address may come as a number where it fits into one
    mmap: (...args) => BigInt(mmap(...args)),
    munmap: c.func('int munmap(uintptr_t, size_t)') as Libc['munmap'],
    close: c.func('int close(int)') as Libc['close'],
    usleep: c.func('int usleep(uint)') as Libc['usleep'],
    ifNameToIndex: c.func('uint if_nametoindex(str)') as Libc['ifNameToIndex'],
    errno: () => koffi.errno(),
    errnoName: (errno) => names.get(errno) ?? `errno ${errno}`,
    address: (buffer) => Number(koffi.address(buffer)),
    view: (address, length) => koffi.view(address, length),
  }
}

/** The same errors. */
export function loadKoffi(code: string, consequence: string): Koffi {
  try {
    return createRequire(import.meta.url)('koffi') as Koffi
  } catch (cause) {
    throw new OperatorError(code, `the native library koffi could not be loaded, so ${consequence}`, {
      hint: 'npm ci installs it',
      cause,
    })
  }
}
