import { openPacketRing, type RingConfig } from './af-packet.ts'
import type { DeviceCounts, PacketDevice } from './packet-device.ts'

// Several rings of one device, among which the kernel spreads its packets (PACKET_FANOUT), read as one: each core that takes
// interrupts of the device fills a ring of its own.

/** @param ringBytes in `config`: of all rings together. @throws OperatorError */
export function openFanOut(config: RingConfig, rings: number): PacketDevice {
  const each = { ...config, ringBytes: Math.floor(config.ringBytes / rings), isHeld: true }
  const opened = [openPacketRing({ ...each, fanoutGroup: config.fanoutGroup ?? 'new' })]
  const first = opened[0] as (typeof opened)[0]
  try {
    while (opened.length < rings) opened.push(openPacketRing({ ...each, fanoutGroup: first.fanoutGroup }))
    // Not before all are there: a packet that came meanwhile would go to a ring that lets nothing in yet
    for (const ring of opened) ring.admit()
  } catch (error) {
    for (const ring of opened) ring.close()
    throw error
  }
  let turn = 0

  return {
    index: first.index,
    sampleRate: first.sampleRate,
    fanoutGroup: first.fanoutGroup,
    mostBlocks: opened.reduce((sum, ring) => sum + ring.mostBlocks, 0),
    next(into) {
      for (let i = 0; i < rings; i++) {
        turn = (turn + 1) % rings
        if ((opened[turn] as PacketDevice).next(into)) return true
      }
      return false
    },
    release: () => (opened[turn] as PacketDevice).release(),
    counts() {
      const sum: DeviceCounts = { packets: 0, drops: 0 }
      for (const ring of opened) {
        const { packets, drops } = ring.counts()
        sum.packets += packets
        sum.drops += drops
      }
      return sum
    },
    trouble() {
      for (const ring of opened) {
        const why = ring.trouble()
        if (why !== '') return why
      }
      return ''
    },
    close() {
      for (const ring of opened) ring.close()
    },
  }
}
