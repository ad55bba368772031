import { networkInterfaces } from 'node:os'
import { ipText, parseIp, isMapped } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { OperatorError } from '../base/errors.ts'
import { loadLibc, type Libc } from '../base/libc.ts'
import type { Datagram } from './ingest.ts'
import {
  datagramOver,
  listenError,
  type DatagramHandler,
  type Listener,
  type ListenerConfig,
  type SocketOptions,
} from './receive.ts'

// UDP by recvmmsg(2): up to 64 datagrams a system call, straight into one ArrayBuffer, no object for any of them.
// It blocks its thread (never for more than 100 ms), so it lives in a worker.
//
//   struct mmsghdr (64 bytes on 64-bit Linux)          struct pollfd (8 bytes)
//     0 msg_name      8 msg_namelen                       0 fd   4 events   6 revents
//    16 msg_iov      24 msg_iovlen                     struct iovec (16 bytes)
//    32 msg_control  40 msg_controllen                    0 base   8 length
//    48 msg_flags    56 msg_len

const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM_CLOEXEC_NONBLOCK = 2 | 0o2000000 | 0o4000
const SOL_SOCKET = 1
const SO_TYPE = 3
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_RCVBUFFORCE = 33
const SO_MEMINFO = 55
const SK_MEMINFO_DROPS = 8
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const MSG_DONTWAIT = 0x40
const POLLIN = 1

const VECTOR = 64
/** A UDP payload is at most 65,507 bytes. The odd stride keeps the slots out of each other's cache sets. */
const SLOT_BYTES = 65_536 + 192
const NAME_BYTES = 32
/** Reads of one socket before the others get their turn. */
const ROUNDS = 8
/** Pause after a short read, so that the next one brings more: a quarter less CPU time for datagrams that come singly. */
const GATHER_US = 1_000
const GATHER_BUFFER_BYTES = 4 * 1024 * 1024

interface Socket extends Listener {
  readonly fd: number
  readonly family: number
  /** Address of its vector of mmsghdr: one a socket, since the kernel writes name lengths back into it. */
  readonly vector: number
  readonly lengths: Uint32Array
  readonly names: DataView
  readonly namesRaw: Uint32Array
  /** The vector points into it; held here so that it outlives every call. */
  readonly iovecs: ArrayBuffer
  /** SK_MEMINFO_DROPS as last read: it has 32 bits and wraps. */
  lastDrops: number
}

export interface RecvmmsgSockets {
  readonly listeners: readonly Listener[]
  /** Waits at most `timeoutMs` for datagrams and gives each one that is there to the handler. Answers how many. */
  receive(timeoutMs: number, handle: DatagramHandler): number
  /** Reads the kernel's drop counters into the listeners. */
  readDrops(): void
  close(): void
}

/** Opens a socket for each listener, all or none; throws an OperatorError that names the port at fault. */
export function openRecvmmsg(
  listeners: readonly ListenerConfig[],
  options: SocketOptions,
  clock: Clock,
): RecvmmsgSockets {
  const libc = loadLibc('recvmmsg_unavailable', 'recvmmsg is not available')
  const slots = new ArrayBuffer(VECTOR * SLOT_BYTES)
  const slotsAt = libc.address(slots)
  const iovecs = new ArrayBuffer(VECTOR * 16)
  const iovecWords = new BigUint64Array(iovecs)
  for (let i = 0; i < VECTOR; i++) {
    iovecWords[i * 2] = BigInt(slotsAt + i * SLOT_BYTES)
    iovecWords[i * 2 + 1] = BigInt(SLOT_BYTES)
  }

  const sockets: Socket[] = []
  try {
    for (const listener of listeners) sockets.push(openSocket(libc, listener, options, iovecs))
  } catch (error) {
    for (const socket of sockets) libc.close(socket.fd)
    throw error
  }

  const pollfds = new ArrayBuffer(Math.max(1, sockets.length) * 8)
  const pollfdsAt = libc.address(pollfds)
  const pollWords = new Int32Array(pollfds)
  const revents = new Uint16Array(pollfds)
  for (const [i, socket] of sockets.entries()) {
    pollWords[i * 2] = socket.fd
    revents[i * 4 + 2] = POLLIN
  }
  const meminfo = new ArrayBuffer(64)
  const meminfoAt = libc.address(meminfo)
  const meminfoWords = new Uint32Array(meminfo)
  const datagram = datagramOver(slots)

  // Waking up for each datagram costs more than reading it. Large buffers hold what comes in the meantime many times over.
  const gather = sockets.every(({ receiveBufferBytes }) => receiveBufferBytes >= GATHER_BUFFER_BYTES)
  let lastTotal = 0

  // Mostly there is just nothing more to read. But a number that is no socket any more would wake poll for ever.
  function checkAlive(socket: Socket): void {
    meminfoWords[15] = 4
    if (libc.getsockopt(socket.fd, SOL_SOCKET, SO_TYPE, meminfoAt, meminfoAt + 60) === 0) return
    // It may be somebody else's file by now: it is not ours to close.
    sockets.splice(sockets.indexOf(socket), 1)
    throw new OperatorError('receive_failed', `the socket of UDP port ${socket.port} was closed by other code`, {
      retryable: true,
    })
  }

  function readSocket(socket: Socket, handle: DatagramHandler): number {
    let total = 0
    for (let round = 0; round < ROUNDS; round++) {
      const n = libc.recvmmsg(socket.fd, socket.vector, VECTOR, MSG_DONTWAIT, 0)
      if (n <= 0) {
        if (round === 0) checkAlive(socket)
        break
      }
      datagram.receivedAt = clock.now()
      for (let i = 0; i < n; i++) {
        const length = socket.lengths[i * 16 + 14] as number
        datagram.offset = i * SLOT_BYTES
        datagram.length = length
        readSource(socket, i, datagram)
        socket.datagrams++
        socket.bytes += length
        handle(datagram)
      }
      total += n
      if (n < VECTOR) break
    }
    return total
  }

  return {
    listeners: [...sockets],
    receive(timeoutMs, handle) {
      if (gather && lastTotal > 0 && lastTotal < VECTOR) libc.usleep(GATHER_US)
      lastTotal = 0
      if (libc.poll(pollfdsAt, sockets.length, timeoutMs) <= 0) return 0
      let total = 0
      for (let i = 0; i < sockets.length; i++) {
        const events = revents[i * 4 + 3] as number
        // Any event, POLLERR and POLLNVAL too: the read fetches and so clears a pending error.
        if (events !== 0) total += readSocket(sockets[i] as Socket, handle)
      }
      lastTotal = total
      return total
    },
    readDrops() {
      for (const socket of sockets) {
        meminfoWords[15] = 60
        if (libc.getsockopt(socket.fd, SOL_SOCKET, SO_MEMINFO, meminfoAt, meminfoAt + 60) !== 0) continue
        const drops = meminfoWords[SK_MEMINFO_DROPS] as number
        socket.kernelDropped += (drops - socket.lastDrops) >>> 0
        socket.lastDrops = drops
      }
    },
    close() {
      for (const socket of sockets) libc.close(socket.fd)
      sockets.length = 0
    },
  }
}

function readSource(socket: Socket, i: number, datagram: Datagram): void {
  // sockaddr_in: family 0, port 2, address 4. sockaddr_in6: family 0, port 2, flow info 4, address 8.
  const raw = (i * NAME_BYTES) >> 2
  if (socket.family === AF_INET6) {
    datagram.source0 = socket.namesRaw[raw + 2] as number
    datagram.source1 = socket.namesRaw[raw + 3] as number
    datagram.source2 = socket.namesRaw[raw + 4] as number
    datagram.source3 = socket.namesRaw[raw + 5] as number
  } else {
    datagram.source0 = 0
    datagram.source1 = 0
    datagram.source2 = 0xffff0000
    datagram.source3 = socket.namesRaw[raw + 1] as number
  }
  datagram.sourcePort = socket.names.getUint16(i * NAME_BYTES + 2)
}

function openSocket(libc: Libc, config: ListenerConfig, options: SocketOptions, iovecs: ArrayBuffer): Socket {
  let fd = -1
  const fail = (): never => {
    const errno = libc.errnoName(libc.errno())
    if (fd >= 0) libc.close(fd)
    throw listenError(errno, config)
  }
  const ip = parseIp(config.host)
  if (!ip) throw listenError('EADDRNOTAVAIL', config)
  let family = isMapped(ip, 0) ? AF_INET : AF_INET6
  fd = libc.socket(family, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0)
  if (fd < 0 && family === AF_INET6 && isUnspecified(ip) && libc.errnoName(libc.errno()) === 'EAFNOSUPPORT') {
    // No IPv6 in this kernel: `::` then means all that there is.
    family = AF_INET
    fd = libc.socket(family, SOCK_DGRAM_CLOEXEC_NONBLOCK, 0)
  }
  if (fd < 0) fail()

  const scratch = new ArrayBuffer(64)
  const at = libc.address(scratch)
  const view = new DataView(scratch)
  const setInt = (level: number, option: number, value: number): boolean => {
    view.setInt32(0, value, true)
    return libc.setsockopt(fd, level, option, at, 4) === 0
  }
  if (family === AF_INET6) setInt(IPPROTO_IPV6, IPV6_V6ONLY, 0)
  if (options.reusePort && !setInt(SOL_SOCKET, SO_REUSEPORT, 1)) fail()
  // FORCE passes rmem_max but needs CAP_NET_ADMIN.
  if (!setInt(SOL_SOCKET, SO_RCVBUFFORCE, options.receiveBufferBytes))
    setInt(SOL_SOCKET, SO_RCVBUF, options.receiveBufferBytes)

  new Uint8Array(scratch).fill(0)
  view.setUint16(0, family, true)
  view.setUint16(2, config.port)
  const bytes = new Uint8Array(scratch)
  if (family === AF_INET6) {
    bytes.set(ip, 8)
    view.setUint32(24, scopeOf(config.host), true)
  } else if (isMapped(ip, 0)) bytes.set(ip.subarray(12), 4)
  if (libc.bind(fd, at, family === AF_INET6 ? 28 : 16) !== 0) fail()

  view.setUint32(60, 28, true)
  libc.getsockname(fd, at, at + 60)
  const port = view.getUint16(2)
  view.setUint32(60, 4, true)
  libc.getsockopt(fd, SOL_SOCKET, SO_RCVBUF, at, at + 60)
  // The kernel doubles what it is told, for its own overhead, and tells the double.
  const receiveBufferBytes = view.getInt32(0, true) >> 1

  return {
    fd,
    family,
    address: family === AF_INET && isUnspecified(ip) ? '0.0.0.0' : ipText(ip),
    port,
    receiveBufferBytes,
    datagrams: 0,
    bytes: 0,
    kernelDropped: 0,
    lastDrops: 0,
    iovecs,
    ...vectorFor(libc, family, libc.address(iovecs)),
  }
}

function vectorFor(
  libc: Libc,
  family: number,
  iovecsAt: number,
): Pick<Socket, 'vector' | 'lengths' | 'names' | 'namesRaw'> {
  const names = new ArrayBuffer(VECTOR * NAME_BYTES)
  const namesAt = libc.address(names)
  const headers = new ArrayBuffer(VECTOR * 64)
  const words = new BigUint64Array(headers)
  for (let i = 0; i < VECTOR; i++) {
    words[i * 8] = BigInt(namesAt + i * NAME_BYTES)
    words[i * 8 + 1] = BigInt(family === AF_INET6 ? 28 : 16)
    words[i * 8 + 2] = BigInt(iovecsAt + i * 16)
    words[i * 8 + 3] = 1n
  }
  return {
    vector: libc.address(headers),
    lengths: new Uint32Array(headers),
    names: new DataView(names),
    namesRaw: new Uint32Array(names),
  }
}

function isUnspecified(ip: Uint8Array): boolean {
  return ip.every((byte, i) => byte === 0 || (isMapped(ip, 0) && i < 12))
}

/** A link-local address belongs to an interface; the first one that has it is meant. */
function scopeOf(host: string): number {
  if (!/^fe[89ab]/i.test(host)) return 0
  for (const addresses of Object.values(networkInterfaces())) {
    for (const address of addresses ?? []) if (address.address === host && address.scopeid) return address.scopeid
  }
  return 0
}
