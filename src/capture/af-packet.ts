import { readFileSync } from 'node:fs'
import { OperatorError, UserError } from '../base/errors.ts'
import { loadLibc, type Libc } from '../base/libc.ts'
import { LINK } from '../packet/link.ts'
import { INSTRUCTION, type BpfProgram } from './bpf.ts'
import type { PacketBlock } from './packet-block.ts'
import type { DeviceCounts, PacketDevice } from './packet-device.ts'
import { ARPHRD_ETHER, ARPHRD_LOOPBACK, isTooLong, returning, ringProgram, trueSampleRate } from './ring-program.ts'

// Packets of a Linux device from the kernel's own ring (AF_PACKET, TPACKET_V3; packet(7) and
// Documentation/networking/packet_mmap.rst), read in place: the kernel fills blocks, we walk over them and give them back.

/** In place of a name: packets of all devices, each with its own. */
export const ALL_DEVICES = 'any'

export interface RingConfig {
  /** Its name, or ALL_DEVICES. */
  readonly device: string
  /** Bytes of a packet that are kept. */
  readonly snapshotLength: number
  /** Keeps less of packets whose headers end early. */
  readonly headersOnly?: boolean | undefined
  readonly promiscuous: boolean
  /** Runs in the kernel; its answer is the length that is kept. Made when the device is known to be there. */
  readonly filter?: (() => BpfProgram) | undefined
  /** Bytes of the ring, a multiple of its blocks of 256 KiB. */
  readonly ringBytes: number
  /** Keeps one packet of so many, at random. */
  readonly sampleRate?: number | undefined
  /** Shares the device's packets with the rings of this group, by a hash of their flow; `new` begins one. */
  readonly fanoutGroup?: number | 'new' | undefined
  /** Lets no packet in before it is told to. */
  readonly isHeld?: boolean | undefined
}

export interface PacketRing extends PacketDevice {
  /** Lets packets in, if they were held. */
  admit(): void
}

const AF_PACKET = 17
const SOCK_RAW = 3
const SOL_SOCKET = 1
const SO_ERROR = 4
const SO_ATTACH_FILTER = 26
const SOL_PACKET = 263
const PACKET_ADD_MEMBERSHIP = 1
const PACKET_RX_RING = 5
const PACKET_STATISTICS = 6
const PACKET_VERSION = 10
const PACKET_FANOUT = 18
const PACKET_FANOUT_HASH = 0
const PACKET_FANOUT_FLAG_UNIQUEID = 0x2000
const PACKET_IGNORE_OUTGOING = 23
const TPACKET_V3 = 2
const PACKET_MR_PROMISC = 1
const ETH_P_ALL = 3
const PROT_READ_WRITE = 3
const MAP_SHARED = 1

export const BLOCK_BYTES = 256 * 1024
/** Only bounds the packets of a block; in version 3 they are as long as they are. */
const FRAME_BYTES = 2048
/** The kernel hands a block over that is not full after so many milliseconds. */
export const RETIRE_MS = 10

/** A line of the processor's cache, and how far ahead lines are asked for. */
const LINE_WORDS = 16
const AHEAD_WORDS = 36 * LINE_WORDS

// tpacket_block_desc: version ·4 offset of private data ·4 status ·4 packets ·4 offset of the first ·4 …
const BLOCK_STATUS = 8
const STATUS_USER = 1

// tpacket3_hdr: next ·4 sec ·4 nsec ·4 captured ·4 original ·4 status ·4 mac ·2 net ·2 rxhash ·4 vlan_tci ·4 vlan_tpid ·2 padding ·10,
// then sockaddr_ll: family ·2 protocol ·2 ifindex ·4 hatype ·2 pkttype ·1 …; little-endian, as are all machines that this runs on
const VLAN_VALID = 1 << 4
const VLAN_TPID_VALID = 1 << 6

/** Link types of Wi-Fi devices that show all there is in the air. */
const AIR: ReadonlyMap<number, number> = new Map([
  [801, 105],
  [802, 119],
  [803, 127],
])
const PACKET_OUTGOING = 4
// Of its own: what is imported, the compiler reads again at each use
const LOOPBACK = ARPHRD_LOOPBACK

/** Opens the ring of a device. @throws OperatorError */
export function openPacketRing(config: RingConfig): PacketRing {
  const calls = loadLibc('capture_unavailable', 'packets of a device can’t be captured')
  const index = indexOf(config.device, calls)
  const fd = calls.socket(AF_PACKET, SOCK_RAW, 0)
  if (fd < 0) {
    const name = calls.errnoName(calls.errno())
    throw new OperatorError('capture_refused', `a packet socket can't be opened (${name})`, {
      hint: 'capturing needs root or the capability CAP_NET_RAW',
    })
  }
  try {
    return ringOn(fd, index, config, calls)
  } catch (error) {
    calls.close(fd)
    throw error
  }
}

/** @throws OperatorError if there is no such device */
function indexOf(device: string, calls: Libc): number {
  if (device === ALL_DEVICES) return 0
  const index = calls.ifNameToIndex(device)
  if (index !== 0) return index
  throw new OperatorError('no_device', `there is no network device “${device}”`, {
    hint: '“ip link” lists those that there are',
  })
}

function ringOn(fd: number, index: number, config: RingConfig, calls: Libc): PacketRing {
  const check = (result: number, what: string): void => {
    if (result < 0)
      throw new OperatorError('capture_refused', `${config.device}: ${what} failed (${calls.errnoName(calls.errno())})`)
  }
  const setWords = (level: number, option: number, words: readonly number[], what: string): void => {
    const value = new Uint32Array(words).buffer
    check(calls.setsockopt(fd, level, option, calls.address(value), value.byteLength), what)
  }
  const blocks = Math.max(2, Math.floor(config.ringBytes / BLOCK_BYTES))
  const bytes = blocks * BLOCK_BYTES
  setWords(SOL_PACKET, PACKET_VERSION, [TPACKET_V3], 'choosing TPACKET_V3')
  const sampleRate = config.sampleRate ?? 1
  const { snapshotLength, headersOnly = false } = config
  const program = ringProgram({ filter: config.filter?.(), snapshotLength, sampleRate, headersOnly })
  if (isTooLong(program)) throw new UserError(`${config.device}: the packet filter is longer than the kernel takes`)
  const attach = (what: BpfProgram): void => check(attachFilter(fd, what, calls), 'attaching the filter')
  // Before the socket is bound, so that no packet passes unfiltered; and none that other rings of the group see too
  const isShared = config.fanoutGroup !== undefined
  attach(isShared || config.isHeld === true ? returning(0) : program)
  setWords(
    SOL_PACKET,
    PACKET_RX_RING,
    [BLOCK_BYTES, blocks, FRAME_BYTES, bytes / FRAME_BYTES, RETIRE_MS, 0, 0],
    `a ring of ${bytes} bytes`,
  )
  // On a loopback device all that is sent comes in, too. Kernels before 4.20 have no such option: there the walk leaves it out.
  if (arphrdOf(config.device) === ARPHRD_LOOPBACK) {
    const yes = new Uint32Array([1]).buffer
    calls.setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, calls.address(yes), 4)
  }
  const address = calls.mmap(0, bytes, PROT_READ_WRITE, MAP_SHARED, fd, 0)
  if (address === 0xffffffffffffffffn) check(-1, 'mapping the ring')
  const memory = calls.view(address, bytes)
  // struct sockaddr_ll: family ·2 protocol ·2 ifindex ·4 …
  const name = new ArrayBuffer(20)
  const nameView = new DataView(name)
  nameView.setUint16(0, AF_PACKET, true)
  nameView.setUint16(2, ETH_P_ALL)
  nameView.setInt32(4, index, true)
  check(calls.bind(fd, calls.address(name), 20), 'binding')
  // struct packet_mreq: ifindex ·4 type ·2 address length ·2 address ·8
  if (config.promiscuous && index !== 0)
    setWords(SOL_PACKET, PACKET_ADD_MEMBERSHIP, [index, PACKET_MR_PROMISC, 0, 0], 'promiscuous mode')
  const group = joinFanout(fd, config.fanoutGroup, calls, check)
  if (isShared && config.isHeld !== true) attach(program)
  return {
    ...createRing(fd, index, memory, blocks, calls, () => calls.munmap(address, bytes)),
    sampleRate: trueSampleRate(sampleRate),
    fanoutGroup: group,
    admit: () => attach(program),
  }
}

function linkTypeOf(hardware: number): number {
  if (hardware === ARPHRD_ETHER || hardware === ARPHRD_LOOPBACK) return LINK.ethernet
  // Devices without a link header, such as tun, deliver bare IP
  return AIR.get(hardware) ?? LINK.raw
}

/** ARPHRD of a device; 0 if nobody tells. */
function arphrdOf(device: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/type`, 'utf8'))
  } catch {
    return 0
  }
}

/** Answers the number of the group; 0 without one. */
function joinFanout(
  fd: number,
  wanted: number | 'new' | undefined,
  calls: Libc,
  check: (result: number, what: string) => void,
): number {
  if (wanted === undefined) return 0
  // Number of the group ·2, kind and flags ·2. By hash, both directions of a flow come to the same ring.
  const value = new Uint32Array(2)
  value[0] = wanted === 'new' ? (PACKET_FANOUT_FLAG_UNIQUEID << 16) >>> 0 : ((PACKET_FANOUT_HASH << 16) | wanted) >>> 0
  check(calls.setsockopt(fd, SOL_PACKET, PACKET_FANOUT, calls.address(value.buffer), 4), 'joining a fan-out')
  value[1] = 4
  const at = calls.address(value.buffer)
  check(calls.getsockopt(fd, SOL_PACKET, PACKET_FANOUT, at, at + 4), 'asking for the number of the fan-out')
  return (value[0] as number) & 0xffff
}

function attachFilter(fd: number, program: BpfProgram, calls: Libc): number {
  // struct sock_fprog: instructions ·2, padding ·6, address ·8
  const header = new ArrayBuffer(16)
  const view = new DataView(header)
  view.setUint16(0, program.length / INSTRUCTION, true)
  view.setBigUint64(8, BigInt(calls.address(program.buffer)), true)
  return calls.setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, calls.address(header), 16)
}

function createRing(
  fd: number,
  index: number,
  memory: ArrayBuffer,
  blocks: number,
  calls: Libc,
  unmap: () => void,
): Omit<PacketDevice, 'sampleRate' | 'fanoutGroup'> {
  const bytes = new Uint8Array(memory)
  const view = new DataView(memory)
  const words = new Int32Array(memory)
  const counts: DeviceCounts = { packets: 0, drops: 0 }
  const option = new ArrayBuffer(16)
  const optionLength = new Uint32Array(1)
  let current = 0
  // Packets of the block that were shown already: a block may hold more than the caller's has room for
  let shown = 0
  let at = 0
  let isOpen = true
  let last: PacketBlock | undefined

  // Kind of device that packets came from last, and what they begin with there
  let hardware = ARPHRD_ETHER
  let link: number = LINK.ethernet

  /** Written only, so that no load is left out that is done for the processor's cache alone. */
  const kept = new Int32Array(1)

  // Shows packets that came from devices of the same kind. Nothing is called in this loop: after a call the compiler would trust
  // nothing that it knows of the arrays.
  function show(into: PacketBlock, total: number): void {
    const { seconds, nanos, captured, original, offset, linkType, tag, port, direction } = into
    const most = offset.length
    const known = hardware
    const begins = link
    const isLoopback = known === LOOPBACK
    let count = into.count
    let done = shown
    // All that the kernel writes here begins at multiples of 16 bytes
    let word = at >> 2
    let asked = word & -LINE_WORDS
    const end = ((current + 1) * BLOCK_BYTES) >> 2
    let met = 0
    for (; count < most && done < total; done++) {
      // What another processor has written comes from far away: it is asked for a while before it is needed, much at a time
      const soon = Math.min(word + AHEAD_WORDS, end)
      for (; asked < soon; asked += LINE_WORDS) met ^= words[asked] as number
      const kind = words[word + 14] as number
      if ((kind & 0xffff) !== known) break
      const isSent = ((kind >>> 16) & 0xff) === PACKET_OUTGOING
      // On a loopback device all that is sent comes in, too
      if (!isSent || !isLoopback) {
        const status = words[word + 5] as number
        seconds[count] = (words[word + 1] as number) >>> 0
        nanos[count] = words[word + 2] as number
        captured[count] = words[word + 3] as number
        offset[count] = (word << 2) + ((words[word + 6] as number) & 0xffff)
        linkType[count] = begins
        let length = words[word + 4] as number
        let taken = 0
        if ((status & VLAN_VALID) !== 0) {
          const tpid = (status & VLAN_TPID_VALID) !== 0 ? (words[word + 9] as number) & 0xffff : 0x8100
          taken = (tpid << 16) | ((words[word + 8] as number) & 0xffff)
          length += 4
        }
        original[count] = length
        tag[count] = taken
        port[count] = words[word + 13] as number
        direction[count] = isSent ? 1 : 0
        count++
      }
      word += (words[word] as number) >> 2
    }
    at = word << 2
    shown = done
    into.count = count
    kept[0] = met
  }

  const statusWord = (): number => (current * BLOCK_BYTES + BLOCK_STATUS) >> 2

  function readOption(level: number, name: number, length: number): DataView {
    optionLength[0] = length
    const result = calls.getsockopt(fd, level, name, calls.address(option), calls.address(optionLength.buffer))
    if (result < 0) new Uint8Array(option).fill(0)
    return new DataView(option)
  }

  return {
    index,
    mostBlocks: blocks,
    next(into) {
      if (!isOpen) return false
      // The kernel's writes to the block are to be seen after this
      if ((Atomics.load(words, statusWord()) & STATUS_USER) === 0) return false
      const base = current * BLOCK_BYTES
      const total = words[(base + 12) >> 2] as number
      if (shown === 0) at = base + (words[(base + 16) >> 2] as number)
      into.count = 0
      const most = into.offset.length
      while (into.count < most && shown < total) {
        show(into, total)
        if (into.count === most || shown === total) break
        // It stopped at a packet of another kind of device
        hardware = (words[(at >> 2) + 14] as number) & 0xffff
        link = linkTypeOf(hardware)
      }
      into.bytes = bytes
      into.view = view
      last = into
      return true
    },
    release() {
      if (!isOpen) return
      const total = view.getUint32(current * BLOCK_BYTES + 12, true)
      if (shown < total) return
      Atomics.store(words, statusWord(), 0)
      shown = 0
      current = (current + 1) % blocks
    },
    counts() {
      if (isOpen) {
        // struct tpacket_stats_v3: packets ·4 drops ·4 freezes ·4; the kernel starts anew with each reading
        const stats = readOption(SOL_PACKET, PACKET_STATISTICS, 12)
        counts.packets += stats.getUint32(0, true)
        counts.drops += stats.getUint32(4, true)
      }
      return { ...counts }
    },
    trouble() {
      if (!isOpen) return ''
      const code = readOption(SOL_SOCKET, SO_ERROR, 4).getInt32(0, true)
      return code === 0 ? '' : calls.errnoName(code)
    },
    close() {
      if (!isOpen) return
      isOpen = false
      // Whoever looks into it later is to find nothing, and not what is no longer there
      if (last?.bytes === bytes) {
        last.bytes = new Uint8Array(0)
        last.view = new DataView(new ArrayBuffer(0))
        last.count = 0
      }
      unmap()
      calls.close(fd)
    },
  }
}
