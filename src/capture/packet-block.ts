// Packets as columns: where each lies in one buffer, how long it is and when it came. What every packet source gives,
// and what meters and probes walk over, without an object a packet.

/** Up to `capacity` packets in `bytes`. Valid until the next block is asked for. */
export interface PacketBlock {
  bytes: Uint8Array
  view: DataView
  /** Packets in it. */
  count: number
  /** Where each begins in `bytes`. */
  readonly offset: Int32Array
  /** Bytes of each that are there. */
  readonly captured: Int32Array
  /** Bytes that each had on the wire. */
  readonly original: Float64Array
  /** Whole seconds since 1970, and nanoseconds within. */
  readonly seconds: Float64Array
  readonly nanos: Uint32Array
  /** Link type of each (tcpdump.org/linktypes.html). */
  readonly linkType: Uint16Array
  /** VLAN tag that the kernel took off the frame: TPID in the upper, TCI in the lower 16 bits; 0 if it took none. */
  readonly tag: Uint32Array
  /** Index of the interface on which it came, as its source counts them. */
  readonly port: Uint32Array
  /** 1 if the machine itself sent it, 0 if it came in. */
  readonly direction: Uint8Array
}

/** Packets that fit into a block unless more are asked for. */
export const BLOCK_PACKETS = 4096

export function createPacketBlock(capacity = BLOCK_PACKETS): PacketBlock {
  const bytes = new Uint8Array(0)
  return {
    bytes,
    view: new DataView(bytes.buffer),
    count: 0,
    offset: new Int32Array(capacity),
    captured: new Int32Array(capacity),
    original: new Float64Array(capacity),
    seconds: new Float64Array(capacity),
    nanos: new Uint32Array(capacity),
    linkType: new Uint16Array(capacity),
    tag: new Uint32Array(capacity),
    port: new Uint32Array(capacity),
    direction: new Uint8Array(capacity),
  }
}

/** Puts a packet of a block in the place of another one, which is dropped. */
export function movePacket(block: PacketBlock, from: number, to: number): void {
  block.offset[to] = block.offset[from] as number
  block.captured[to] = block.captured[from] as number
  block.original[to] = block.original[from] as number
  block.seconds[to] = block.seconds[from] as number
  block.nanos[to] = block.nanos[from] as number
  block.linkType[to] = block.linkType[from] as number
  block.tag[to] = block.tag[from] as number
  block.port[to] = block.port[from] as number
  block.direction[to] = block.direction[from] as number
}
