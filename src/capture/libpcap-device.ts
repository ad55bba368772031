import { OperatorError, UserError } from '../base/errors.ts'
import { loadLibc, type Libc } from '../base/libc.ts'
import { LINK } from '../packet/link.ts'
import { activate, compiledBy, refused } from './bpf.ts'
import { loadLibpcap, messageRoom, type Libpcap } from './libpcap.ts'
import { showAllLogged } from './nflog.ts'
import type { PacketBlock } from './packet-block.ts'
import type { DeviceConfig, DeviceCounts, PacketDevice } from './packet-device.ts'

// Packets of anything that libpcap opens. libpcap itself writes them, as a pcap file, into memory of ours: one call for many
// packets, and no function of ours called for any of them.

/** Room for the packets of one call. */
const ROOM = 4 << 20
// seconds ·4 nanoseconds ·4 captured ·4 original ·4
const HEAD = 16
/** The kernel hands over what it has after so many milliseconds. */
const HAND_OVER_MS = 10
/** What libpcap may hold beyond one call, in blocks: its own buffer, as far as we know. */
const MOST_BLOCKS = 1024

const NOT_SUCH_A_STAMP = -12

/** @param device as libpcap calls it. @throws OperatorError, UserError */
export function openLibpcapDevice(device: string, config: DeviceConfig): PacketDevice {
  if (config.sampleRate > 1 || config.rings > 1 || config.fanoutGroup !== undefined)
    throw new UserError(`${config.device}: only the packets of an interface can be sampled or shared by the kernel`)
  const libc = loadLibc('capture_unavailable', 'packets of a device can’t be captured')
  const pcap = loadLibpcap(`${config.device} needs`)
  const handle = activated(pcap, device, config)
  try {
    return deviceOn(pcap, libc, handle, libc.ifNameToIndex(device), config)
  } catch (error) {
    pcap.close(handle)
    throw error
  }
}

function activated(pcap: Libpcap, device: string, config: DeviceConfig): unknown {
  const message = messageRoom(pcap)
  const handle = pcap.create(device, message.at)
  if (handle === null) throw refused(device, message.text())
  pcap.setSnapshotLength(handle, config.snapshotLength)
  pcap.setPromiscuous(handle, config.promiscuous ? 1 : 0)
  pcap.setTimeout(handle, HAND_OVER_MS)
  pcap.setBufferSize(handle, config.bufferBytes)
  // A device that has no nanoseconds says so, and gives microseconds
  if (pcap.setPrecision(handle, 1) === NOT_SUCH_A_STAMP) pcap.setPrecision(handle, 0)
  activate(pcap, handle, device)
  return handle
}

function deviceOn(pcap: Libpcap, libc: Libc, handle: unknown, index: number, config: DeviceConfig): PacketDevice {
  const message = messageRoom(pcap)
  // Of several devices at once: the kind of header that tells on which each packet came
  if (pcap.linkType(handle) === LINK.linuxSll) pcap.setLinkType(handle, LINK.linuxSll2)
  const linkType = linkTypeOf(pcap.linkType(handle))
  if (config.filter !== '') setFilter(pcap, handle, config)
  if (pcap.setNonBlocking(handle, 1, message.at) !== 0) throw refused(config.device, message.text())
  const memory = new ArrayBuffer(ROOM)
  const bytes = new Uint8Array(memory)
  const view = new DataView(memory)
  const file = pcap.fileInMemory(pcap.address(memory), ROOM, 'w')
  const dump = file === null ? null : pcap.dumpOpen(handle, file)
  if (dump === null) throw new OperatorError('capture_refused', `${config.device}: ${pcap.errorOf(handle)}`)
  const toNanos = pcap.precision(handle) === 1 ? 1 : 1000
  // libpcap cuts packets itself, but for one that has no such notion the room is to suffice too
  const fitting = Math.max(1, Math.floor(ROOM / (HEAD + config.snapshotLength)) - 1)
  const stats = new Uint32Array(4)
  let counts: DeviceCounts = { packets: 0, drops: 0 }
  let why = ''
  let isOpen = true

  function show(into: PacketBlock, end: number): void {
    let count = 0
    for (let at = 0; end - at >= HEAD;) {
      const captured = view.getUint32(at + 8, true)
      if (captured > end - at - HEAD) break
      into.seconds[count] = view.getUint32(at, true)
      into.nanos[count] = view.getUint32(at + 4, true) * toNanos
      into.captured[count] = captured
      into.original[count] = view.getUint32(at + 12, true)
      into.offset[count] = at + HEAD
      into.linkType[count] = linkType
      into.tag[count] = 0
      into.port[count] = index
      into.direction[count] = 0
      // protocol 2, reserved 2, ifIndex 4, ARPHRD 2, packet type 1 (4: sent by this machine)
      if (linkType === LINK.linuxSll2 && captured >= 20) {
        into.port[count] = view.getUint32(at + HEAD + 4)
        into.direction[count] = view.getUint8(at + HEAD + 10) === 4 ? 1 : 0
      }
      count++
      at += HEAD + captured
    }
    into.bytes = bytes
    into.view = view
    into.count = count
    if (linkType === LINK.nflog) showAllLogged(into, true)
  }

  return {
    index,
    sampleRate: 1,
    fanoutGroup: 0,
    mostBlocks: MOST_BLOCKS,
    next(into) {
      if (!isOpen || why !== '') return false
      pcap.rewind(file)
      const taken = pcap.dispatch(handle, Math.min(fitting, into.offset.length), pcap.dump, dump)
      // libpcap takes it for an error that a netlink socket has nothing to read
      if (taken < 0 && libc.errnoName(libc.errno()) !== 'EAGAIN') why = pcap.errorOf(handle)
      pcap.flush(file)
      const end = pcap.tell(file)
      if (end <= 0) return false
      show(into, end)
      return into.count > 0
    },
    release: () => undefined,
    counts() {
      // struct pcap_stat: received ·4 dropped ·4 dropped by the interface ·4; they count on, in 32 bits
      if (isOpen && pcap.stats(handle, pcap.address(stats.buffer)) === 0)
        counts = { packets: on(counts.packets, stats[0] as number), drops: on(counts.drops, stats[1] as number) }
      return { ...counts }
    },
    trouble: () => why,
    close() {
      if (!isOpen) return
      this.counts()
      isOpen = false
      pcap.closeFile(file)
      pcap.close(handle)
    },
  }
}

function setFilter(pcap: Libpcap, handle: unknown, config: DeviceConfig): void {
  const program = compiledBy(pcap, handle, config.filter)
  const header = new ArrayBuffer(16)
  const view = new DataView(header)
  view.setUint32(0, program.length / 8, true)
  view.setBigUint64(8, BigInt(pcap.address(program.buffer)), true)
  if (pcap.setFilter(handle, pcap.address(header)) !== 0)
    throw new OperatorError('capture_refused', `${config.device}: ${pcap.errorOf(handle)}`)
}

/** A counter of 32 bits, counted on. */
function on(before: number, now: number): number {
  return before + ((now - (before % 2 ** 32) + 2 ** 32) % 2 ** 32)
}

/** DLT_RAW is the one kind that has another number in files (LINKTYPE_RAW) than on this system. */
function linkTypeOf(dlt: number): number {
  return dlt === LINK.rawOld ? LINK.raw : dlt
}
