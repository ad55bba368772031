import type { PacketBlock } from './packet-block.ts'

// What gives packets as they come, whatever is behind it: the kernel's ring, libpcap, the log of a packet filter.

/** Code of the error where a device is there but down, and libpcap therefore can't open it. */
export const DEVICE_DOWN = 'device_down'

export interface DeviceCounts {
  /** Packets that the kernel had for us, and those of them that found no room. */
  packets: number
  drops: number
}

/** An open device. Nothing here waits. */
export interface PacketDevice {
  /** Its ifIndex; 0 if it is no interface. */
  readonly index: number
  /** Of so many packets one is shown, chosen by the kernel at random; 1 for all of them. */
  readonly sampleRate: number
  /** Number of the fan-out that it shares packets in; 0 without one. */
  readonly fanoutGroup: number
  /** Blocks that may lie ready at once. */
  readonly mostBlocks: number
  /** Shows the next packets that are there; false if none are. They are valid until `release`, which then has to be called. */
  next(into: PacketBlock): boolean
  /** Gives back what was shown last. */
  release(): void
  counts(): DeviceCounts
  /** Why it no longer delivers, such as ENETDOWN; '' if all is well. */
  trouble(): string
  close(): void
}

export interface DeviceConfig {
  readonly device: string
  /** Bytes of a packet that are kept. */
  readonly snapshotLength: number
  /** Keeps no more than the headers of packets whose headers end early, where that saves something. Only interfaces can. */
  readonly headersOnly?: boolean | undefined
  readonly promiscuous: boolean
  /** In tcpdump's words; '' for all packets. */
  readonly filter: string
  /** Room in the kernel for packets that are not read yet. */
  readonly bufferBytes: number
  /** Shows one packet of so many, chosen by the kernel at random; 1 for all. Only interfaces can. */
  readonly sampleRate: number
  /** Sockets over which an interface's packets are spread, by a hash of their flow; 1 for one. Only interfaces can. */
  readonly rings: number
  /** Shares packets with the sources of other threads or processes: `new`, and they join its number. Only interfaces can. */
  readonly fanoutGroup?: number | 'new' | undefined
}
