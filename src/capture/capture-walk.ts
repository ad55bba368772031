import type { ByteWindow } from './byte-window.ts'
import type { PacketBlock } from './packet-block.ts'

// What readers of pcap and of pcapng have in common.

/** What may be wrong inside a capture: told once, and reading ends there. */
export type CaptureProblem = (code: 'truncated' | 'bad_length', offset: number) => void

/** Lengths in a file are believed only up to this. */
export const MOST_PACKET = 16 * 1024 * 1024

export interface ReadingOptions {
  /** Shows what the kernel's packet filter logged (LINKTYPE_NFLOG) as the packets that it was; overwrites bytes of the stream. */
  readonly logged?: boolean
  /** Told of each interface that a pcapng file describes, before its packets. */
  readonly interfaceFound?: (port: number, name: string, linkType: number) => void
}

/** Why a walk over the window stopped: the block is full, more bytes are needed, or nothing more can be read. */
export type State = 'full' | 'more' | 'done'

/** Puts the packets that lie whole in the window into the block; at the end of the stream also one that is cut. */
export type Walk = (window: ByteWindow, block: PacketBlock, ended: boolean, problem: CaptureProblem) => State
