import type { IfCounters } from '../wire/sflow/counter-values.ts'
import type { DeviceCounters, KernelDevices } from './kernel-devices.ts'
import type { SwitchPort } from './port.ts'

// The generic interface counters of a port (sFlow v5, struct if_counters): counted from its frames, or the kernel's own.

const IF_DIRECTION_FULL = 1
/** Bit 0 administratively, bit 1 operationally up. */
const IF_ADMIN_UP = 1
const IF_OPER_UP = 2
const WRAP_32 = 2 ** 32
/** Of a counter that is not kept. */
const UNKNOWN_32 = 0xffffffff

export function frameCounters(port: SwitchPort, promiscuous: boolean): IfCounters {
  const { config } = port
  return {
    ifIndex: port.index,
    ifType: config.ifType,
    ifSpeed: config.ifSpeed,
    ifDirection: IF_DIRECTION_FULL,
    ifStatus: IF_ADMIN_UP | IF_OPER_UP,
    inOctets: port.inOctets,
    inUcastPkts: port.inUnicast % WRAP_32,
    inMulticastPkts: port.inMulticast % WRAP_32,
    inBroadcastPkts: port.inBroadcast % WRAP_32,
    inDiscards: 0,
    inErrors: 0,
    inUnknownProtos: 0,
    outOctets: port.outOctets,
    outUcastPkts: port.outUnicast % WRAP_32,
    outMulticastPkts: port.outMulticast % WRAP_32,
    outBroadcastPkts: port.outBroadcast % WRAP_32,
    outDiscards: 0,
    outErrors: 0,
    promiscuousMode: promiscuous ? 1 : 2,
  }
}

/** The kernel tells multicast apart only where the device receives it, and broadcast nowhere: what it does not tell is unknown. */
export function kernelCounters(port: SwitchPort, kernel: KernelDevices, promiscuous: boolean): IfCounters {
  const { config, isInside } = port
  const facts = kernel.facts(port.device)
  const counted = port.kernel as DeviceCounters
  const { inMulticast: multicast } = counted
  const received = [counted.inOctets, counted.inPackets - multicast, counted.inErrors, counted.inDrops] as const
  const sent = [counted.outOctets, counted.outPackets, counted.outErrors, counted.outDrops] as const
  const [inward, outward] = isInside ? [sent, received] : [received, sent]
  return {
    ifIndex: port.index,
    ifType: config.ifType,
    ifSpeed: config.ifSpeed || facts.speed,
    ifDirection: IF_DIRECTION_FULL,
    ifStatus: (facts.isAdminUp ? IF_ADMIN_UP : 0) | (facts.isUp ? IF_OPER_UP : 0),
    inOctets: inward[0],
    inUcastPkts: inward[1] % WRAP_32,
    inMulticastPkts: isInside ? UNKNOWN_32 : multicast % WRAP_32,
    inBroadcastPkts: UNKNOWN_32,
    inDiscards: inward[3] % WRAP_32,
    inErrors: inward[2] % WRAP_32,
    inUnknownProtos: UNKNOWN_32,
    outOctets: outward[0],
    outUcastPkts: outward[1] % WRAP_32,
    outMulticastPkts: isInside ? multicast % WRAP_32 : UNKNOWN_32,
    outBroadcastPkts: UNKNOWN_32,
    outDiscards: outward[3] % WRAP_32,
    outErrors: outward[2] % WRAP_32,
    promiscuousMode: promiscuous ? 1 : 2,
  }
}
