import { OperatorError, UserError } from '../base/errors.ts'
import { loadLibc, type Libc } from '../base/libc.ts'
import { LINK } from '../packet/link.ts'
import { createBlockFilter } from './block-filter.ts'
import { showLogged, type Logged } from './nflog.ts'
import type { PacketBlock } from './packet-block.ts'
import type { DeviceConfig, PacketDevice } from './packet-device.ts'

// Packets that rules of the kernel's packet filter log to a group (`nft … log group 5`, `iptables … -j NFLOG --nflog-group 5`),
// over netlink (linux/netfilter/nfnetlink_log.h). The kernel numbers them, so that those for which there was no room are known.

const AF_NETLINK = 16
const SOCK_RAW_CLOEXEC = 3 | 0o2000000
const NETLINK_NETFILTER = 12
const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_NO_ENOBUFS = 5
const MSG_DONTWAIT = 0x40

const NLMSG_ERROR = 2
const NFULNL_MSG_PACKET = 4 << 8
const NFULNL_MSG_CONFIG = (4 << 8) | 1
const NLM_F_REQUEST_ACK = 5

const CONFIG = { command: 1, mode: 2, bufferBytes: 3, timeout: 4, threshold: 5, flags: 6 } as const
const BIND = 1
const COPY_PACKET = 2
const NUMBERED = 1
/** The most that the kernel gathers into one datagram. */
const MOST_DATAGRAM = 128 * 1024
const MOST_GATHERED = 1024
const HUNDREDTHS = 1

/** Room for several datagrams. */
const ROOM = 1 << 20
/** What the socket may hold, in blocks of ours, is bounded by its buffer. */
const MOST_BLOCKS = 1024

// struct nlmsghdr: length ·4 type ·2 flags ·2 sequence ·4 port ·4; struct nfgenmsg: family ·1 version ·1 group ·2
const MESSAGE = 16

export function isNflog(name: string): boolean {
  return /^nflog(?::|$)/.test(name)
}

/** `nflog:5`, `nflog:5,6`; `nflog` is group 0. */
function groupsOf(name: string): number[] {
  if (name === 'nflog') return [0]
  const groups = name.slice('nflog:'.length).split(',').map(Number)
  if (!/^nflog:\d{1,5}(,\d{1,5}){0,31}$/.test(name) || groups.some((group) => group > 0xffff))
    throw new UserError(`${name} names no group of the packet filter’s log`, {
      hint: 'write it as nflog:5, or nflog:5,6 for several; groups are from 0 to 65535',
    })
  return groups
}

/** @throws OperatorError, UserError */
export function openNflog(config: DeviceConfig): PacketDevice {
  if (config.sampleRate > 1 || config.rings > 1 || config.fanoutGroup !== undefined)
    throw new UserError(`${config.device}: only the packets of an interface can be sampled or shared by the kernel`, {
      hint: 'a rule of nftables can log one of so many: numgen random mod 100 0 log group 5',
    })
  const groups = groupsOf(config.device)
  const filter = config.filter === '' ? undefined : createBlockFilter(config.filter, [LINK.raw, LINK.ethernet])
  const calls = loadLibc('capture_unavailable', 'what the packet filter logs can’t be read')
  const fd = calls.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_NETFILTER)
  if (fd < 0) throw refused(config.device, calls.errnoName(calls.errno()))
  try {
    // struct sockaddr_nl: family ·2 padding ·2 port ·4 groups ·4
    const name = new ArrayBuffer(12)
    new DataView(name).setUint16(0, AF_NETLINK, true)
    if (calls.bind(fd, calls.address(name), 12) !== 0) throw refused(config.device, calls.errnoName(calls.errno()))
    setBuffer(fd, config.bufferBytes, calls)
    for (const group of groups) listenTo(fd, group, config, calls)
    return deviceOn(fd, groups, filter, calls)
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

function setBuffer(fd: number, bytes: number, calls: Libc): void {
  const value = new Uint32Array([bytes]).buffer
  const at = calls.address(value)
  if (calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, at, 4) !== 0) calls.setsockopt(fd, SOL_SOCKET, SO_RCVBUF, at, 4)
  // What is lost is told by the numbers of what comes
  const yes = new Uint32Array([1]).buffer
  calls.setsockopt(fd, SOL_NETLINK, NETLINK_NO_ENOBUFS, calls.address(yes), 4)
}

/** Asks for a group, and waits for the kernel's answer. */
function listenTo(fd: number, group: number, config: DeviceConfig, calls: Libc): void {
  const message = configMessage(group, config.snapshotLength)
  if (calls.send(fd, calls.address(message.buffer), message.length, 0) < 0)
    throw refused(config.device, calls.errnoName(calls.errno()))
  const answer = new ArrayBuffer(MOST_DATAGRAM)
  const view = new DataView(answer)
  for (;;) {
    const length = calls.recv(fd, calls.address(answer), MOST_DATAGRAM, 0)
    if (length < MESSAGE) throw refused(config.device, calls.errnoName(calls.errno()))
    // Packets of another group may come first
    if (length < MESSAGE + 4 || view.getUint16(4, true) !== NLMSG_ERROR) continue
    const errno = -view.getInt32(MESSAGE, true)
    if (errno === 0) return
    throw refused(config.device, calls.errnoName(errno))
  }
}

function configMessage(group: number, snapshotLength: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(256)
  const view = new DataView(bytes.buffer)
  let at = MESSAGE + 4
  const attribute = (type: number, length: number): number => {
    view.setUint16(at, 4 + length, true)
    view.setUint16(at + 2, type, true)
    at += 4 + ((length + 3) & ~3)
    return at - ((length + 3) & ~3)
  }
  view.setUint8(attribute(CONFIG.command, 1), BIND)
  const mode = attribute(CONFIG.mode, 6)
  view.setUint32(mode, snapshotLength)
  view.setUint8(mode + 4, COPY_PACKET)
  view.setUint32(attribute(CONFIG.bufferBytes, 4), MOST_DATAGRAM)
  view.setUint32(attribute(CONFIG.timeout, 4), HUNDREDTHS)
  view.setUint32(attribute(CONFIG.threshold, 4), MOST_GATHERED)
  view.setUint16(attribute(CONFIG.flags, 2), NUMBERED)
  view.setUint32(0, at, true)
  view.setUint16(4, NFULNL_MSG_CONFIG, true)
  view.setUint16(6, NLM_F_REQUEST_ACK, true)
  view.setUint16(MESSAGE + 2, group)
  return bytes.subarray(0, at)
}

function refused(device: string, why: string): OperatorError {
  const hint =
    why === 'EBUSY' ? 'another program listens to this group' : 'it needs root or the capability CAP_NET_ADMIN'
  return new OperatorError('capture_refused', `${device} can’t be listened to (${why})`, { hint })
}

function deviceOn(
  fd: number,
  groups: readonly number[],
  filter: ((block: PacketBlock) => void) | undefined,
  calls: Libc,
): PacketDevice {
  const memory = new ArrayBuffer(ROOM)
  const bytes = new Uint8Array(memory)
  const view = new DataView(memory)
  const address = calls.address(memory)
  const logged: Logged = { sequence: -1, hasTime: false }
  /** Number that the next packet of each group has if none is lost; -1 at first. */
  const expected = new Float64Array(groups.length).fill(-1)
  let filled = 0
  /** Of what was received, where the next message is. */
  let at = 0
  let packets = 0
  let drops = 0
  let why = ''
  let isOpen = true

  function receive(): void {
    filled = 0
    at = 0
    while (ROOM - filled >= MOST_DATAGRAM) {
      const length = calls.recv(fd, address + filled, ROOM - filled, MSG_DONTWAIT)
      if (length <= 0) {
        const name = length < 0 ? calls.errnoName(calls.errno()) : 'EAGAIN'
        if (name !== 'EAGAIN' && name !== 'ENOBUFS' && name !== 'EINTR') why = name
        return
      }
      // Messages begin at multiples of four
      filled += (length + 3) & ~3
    }
  }

  function follow(group: number, sequence: number): void {
    if (sequence < 0) return
    const g = groups.indexOf(group)
    const before = expected[g] as number
    if (before >= 0) drops += (sequence - before + 2 ** 32) % 2 ** 32
    expected[g] = (sequence + 1) % 2 ** 32
  }

  function show(into: PacketBlock): void {
    const most = into.offset.length
    const now = Date.now()
    let count = 0
    while (count < most && filled - at >= MESSAGE) {
      const length = view.getUint32(at, true)
      const end = at + length
      if (length < MESSAGE || end > filled) {
        at = filled
        break
      }
      if (view.getUint16(at + 4, true) === NFULNL_MSG_PACKET && length >= MESSAGE + 4) {
        packets++
        const isShown = showLogged(into, count, view, at + MESSAGE, end, true, logged)
        follow(view.getUint16(at + MESSAGE + 2), logged.sequence)
        if (isShown) {
          if (!logged.hasTime) {
            into.seconds[count] = Math.floor(now / 1000)
            into.nanos[count] = (now % 1000) * 1_000_000
          }
          count++
        }
      }
      at += (length + 3) & ~3
    }
    into.bytes = bytes
    into.view = view
    into.count = count
    filter?.(into)
  }

  return {
    index: 0,
    sampleRate: 1,
    fanoutGroup: 0,
    mostBlocks: MOST_BLOCKS,
    next(into) {
      if (!isOpen) return false
      if (at >= filled) receive()
      if (at >= filled) return false
      show(into)
      return true
    },
    release: () => undefined,
    counts: () => ({ packets: packets + drops, drops }),
    trouble: () => why,
    close() {
      if (!isOpen) return
      isOpen = false
      calls.close(fd)
    },
  }
}
