import type * as koffiModule from 'koffi'
import { createRequire } from 'node:module'
import { OperatorError } from '../base/errors.ts'

// The system calls of receive-recvmmsg.ts. Memory is given by its address, as a number; a call that blocks, blocks its thread.

export interface Libc {
  readonly socket: (family: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: number, length: number) => number
  readonly getsockname: (fd: number, address: number, length: number) => number
  readonly setsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly getsockopt: (fd: number, level: number, option: number, value: number, length: number) => number
  readonly poll: (fds: number, count: number, timeout: number) => number
  readonly recvmmsg: (fd: number, vector: number, length: number, flags: number, timeout: number) => number
  readonly close: (fd: number) => number
  readonly usleep: (microseconds: number) => number
  readonly errno: () => number
  readonly errnoName: (errno: number) => string
  readonly address: (buffer: ArrayBuffer) => number
}

/** Binds libc, or throws an OperatorError `recvmmsg_unavailable` that says why it can't. */
export function loadLibc(): Libc {
  const supported = process.platform === 'linux' && ['x64', 'arm64', 'riscv64'].includes(process.arch)
  if (!supported) {
    throw new OperatorError('recvmmsg_unavailable', `recvmmsg is not available on ${process.platform}/${process.arch}`)
  }
  try {
    const koffi = createRequire(import.meta.url)('koffi') as typeof koffiModule
    const c = koffi.load(null)
    // Some numbers have two names; the first is the usual one.
    const names = new Map(
      Object.entries(koffi.os.errno)
        .reverse()
        .map(([name, value]) => [value, name]),
    )
    return {
      socket: c.func('int socket(int, int, int)') as Libc['socket'],
      bind: c.func('int bind(int, uintptr_t, uint)') as Libc['bind'],
      getsockname: c.func('int getsockname(int, uintptr_t, uintptr_t)') as Libc['getsockname'],
      setsockopt: c.func('int setsockopt(int, int, int, uintptr_t, uint)') as Libc['setsockopt'],
      getsockopt: c.func('int getsockopt(int, int, int, uintptr_t, uintptr_t)') as Libc['getsockopt'],
      poll: c.func('int poll(uintptr_t, ulong, int)') as Libc['poll'],
      recvmmsg: c.func('int recvmmsg(int, uintptr_t, uint, int, uintptr_t)') as Libc['recvmmsg'],
      close: c.func('int close(int)') as Libc['close'],
      usleep: c.func('int usleep(uint)') as Libc['usleep'],
      errno: () => koffi.errno(),
      errnoName: (errno) => names.get(errno) ?? `errno ${errno}`,
      address: (buffer) => Number(koffi.address(buffer)),
    }
  } catch (cause) {
    throw new OperatorError(
      'recvmmsg_unavailable',
      'the native library koffi could not be loaded, so recvmmsg is not available',
      {
        hint: 'npm ci installs it',
        cause,
      },
    )
  }
}
