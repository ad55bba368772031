import type { Libc } from './libc.ts'

// UDP by sendmmsg(2): many datagrams a system call, out of one piece of memory, no object for any of them.
//
//   struct mmsghdr (64 bytes on 64-bit Linux)          struct iovec (16 bytes)
//     0 msg_name      8 msg_namelen                       0 base   8 length
//    16 msg_iov      24 msg_iovlen                     struct sockaddr_in, sockaddr_in6
//    32 msg_control  40 msg_controllen                    0 family ·2 (host order)   2 port ·2   4 address ·4; 4 flow ·4  8 address ·16
//    48 msg_flags    56 msg_len

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000
const SOL_SOCKET = 1
const SO_SNDBUF = 7
const MSG_DONTWAIT = 0x40
const EAGAIN = 11
const ENOBUFS = 105

const VECTOR = 64
const HEADER_BYTES = 64
const MAX_U32 = 2 ** 32

/** Datagrams that wait, one behind the other in one piece of memory that grows as it has to. */
export class DatagramQueue {
  private readonly libc: Libc
  private bytes = new Uint8Array(1 << 16)
  /** Where the memory lies. */
  private base: number
  private end = 0
  private offsets = new Float64Array(256)
  private lengths = new Uint32Array(256)
  /** Datagrams since the beginning: the oldest that is kept, and how many there were. */
  first = 0
  count = 0

  constructor(libc: Libc) {
    this.libc = libc
    this.base = libc.address(this.bytes.buffer)
  }

  add(datagram: Uint8Array): void {
    if (this.end + datagram.length > this.bytes.length) this.makeRoom(datagram.length)
    const i = this.count - this.first
    if (i === this.offsets.length) this.moreEntries()
    this.bytes.set(datagram, this.end)
    this.offsets[i] = this.end
    this.lengths[i] = datagram.length
    this.end += datagram.length
    this.count++
  }

  addressOf(n: number): number {
    return this.base + (this.offsets[n - this.first] as number)
  }

  lengthOf(n: number): number {
    return this.lengths[n - this.first] as number
  }

  /** Forgets those before the n-th. */
  forget(n: number): void {
    if (n === this.count) {
      this.first = n
      this.end = 0
    } else if (n - this.first >= this.offsets.length / 2) {
      this.offsets.copyWithin(0, n - this.first, this.count - this.first)
      this.lengths.copyWithin(0, n - this.first, this.count - this.first)
      this.first = n
    }
  }

  /** Moves what waits to the front, into more memory if need be. */
  private makeRoom(more: number): void {
    const waiting = this.count - this.first
    const from = waiting === 0 ? this.end : (this.offsets[0] as number)
    const used = this.end - from
    if (2 * (used + more) > this.bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.bytes.length, 2 * (used + more)))
      grown.set(this.bytes.subarray(from, this.end))
      this.bytes = grown
      this.base = this.libc.address(grown.buffer)
    } else this.bytes.copyWithin(0, from, this.end)
    for (let i = 0; i < waiting; i++) this.offsets[i] = (this.offsets[i] as number) - from
    this.end = used
  }

  private moreEntries(): void {
    const offsets = new Float64Array(2 * this.offsets.length)
    offsets.set(this.offsets)
    this.offsets = offsets
    const lengths = new Uint32Array(offsets.length)
    lengths.set(this.lengths)
    this.lengths = lengths
  }
}

export interface MmsgSocket {
  /** Datagrams of the queue that it is done with, as the queue counts them. */
  readonly at: number
  readonly sent: number
  readonly failed: number
  /** Why the last one failed; '' if none did. */
  readonly error: string
  /** Sends what the queue holds before the n-th, as far as the system takes it now. */
  send(before: number): void
  close(): void
}

/** @param address 4 or 16 bytes. Undefined if there is no socket to be had */
export function openMmsgSocket(
  libc: Libc,
  queue: DatagramQueue,
  address: Uint8Array,
  port: number,
  sendBuffer: number,
): MmsgSocket | undefined {
  const isV4 = address.length === 4
  const fd = libc.socket(isV4 ? AF_INET : AF_INET6, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0)
  if (fd < 0) return undefined
  const option = new Int32Array([sendBuffer])
  libc.setsockopt(fd, SOL_SOCKET, SO_SNDBUF, libc.address(option.buffer), 4)
  const name = new DataView(new ArrayBuffer(28))
  name.setUint16(0, isV4 ? AF_INET : AF_INET6, true)
  name.setUint16(2, port)
  for (const [i, byte] of address.entries()) name.setUint8((isV4 ? 4 : 8) + i, byte)
  const nameAt = libc.address(name.buffer)
  const vector = new Uint32Array((VECTOR * HEADER_BYTES) / 4)
  const vectorAt = libc.address(vector.buffer)
  const iovecs = new Uint32Array(VECTOR * 4)
  const iovecsAt = libc.address(iovecs.buffer)
  for (let i = 0; i < VECTOR; i++) {
    const at = (i * HEADER_BYTES) / 4
    putAddress(vector, at, nameAt)
    vector[at + 2] = isV4 ? 16 : 28
    putAddress(vector, at + 4, iovecsAt + 16 * i)
    vector[at + 6] = 1
  }
  let at = queue.count
  let sent = 0
  let failed = 0
  let error = ''
  return {
    get at() {
      return at
    },
    get sent() {
      return sent
    },
    get failed() {
      return failed
    },
    get error() {
      return error
    },
    send(before) {
      while (at < before) {
        const many = Math.min(VECTOR, before - at)
        for (let i = 0; i < many; i++) {
          putAddress(iovecs, 4 * i, queue.addressOf(at + i))
          iovecs[4 * i + 2] = queue.lengthOf(at + i)
        }
        const done = libc.sendmmsg(fd, vectorAt, many, MSG_DONTWAIT)
        if (done > 0) {
          at += done
          sent += done
          continue
        }
        const errno = libc.errno()
        if (errno === EAGAIN || errno === ENOBUFS) return
        // This one; those behind it may go
        error = libc.errnoName(errno)
        failed++
        at++
      }
    },
    close() {
      libc.close(fd)
      // Named here so that they outlive every call: only their addresses are known to it
      vector.fill(0)
      name.setUint16(0, 0)
    },
  }
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address % MAX_U32
  words[at + 1] = Math.floor(address / MAX_U32)
}
