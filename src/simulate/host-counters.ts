import type { NetIo } from '../wire/sflow/counter-values.ts'
import type { SflowEncoder } from '../wire/sflow/encode.ts'
import { SOURCE_CLASS } from '../wire/sflow/encode.ts'
import type { Host, Machine, Port } from './data-center.ts'
import type { Usage } from './usage.ts'

// The records of each counter sample: a port, a host, a VM.

const IF_TYPE_ETHERNET = 6
const FULL_DUPLEX = 1
const UP = 3
const MACHINE_X86_64 = 3
const OS_LINUX = 2
const RUNNING = 1
const MHZ = 2600
const DISK = 2e12

/** if_counters and port_name. */
export function portRecords(encoder: SflowEncoder, port: Port): void {
  encoder.ifCounters({
    ifIndex: port.ifIndex,
    ifType: IF_TYPE_ETHERNET,
    ifSpeed: port.speed,
    ifDirection: FULL_DUPLEX,
    ifStatus: UP,
    inOctets: port.inBytes,
    inUcastPkts: port.inPackets,
    inMulticastPkts: 0,
    inBroadcastPkts: 0,
    inDiscards: 0,
    inErrors: 0,
    inUnknownProtos: 0,
    outOctets: port.outBytes,
    outUcastPkts: port.outPackets,
    outMulticastPkts: 0,
    outBroadcastPkts: 0,
    outDiscards: 0,
    outErrors: 0,
    promiscuousMode: 0,
  })
  encoder.portName(port.name)
}

/** host_descr, host_adapters, host_cpu, host_memory, host_disk_io, host_net_io, virt_node. */
export function hostRecords(encoder: SflowEncoder, host: Host, usage: Usage, uptime: number): void {
  const { cpuMs, load } = usage.cpu(host, host.ports, uptime)
  const used = host.vms.reduce((sum, vm) => sum + vm.memory, 8 * 2 ** 30)
  const free = Math.max(host.memory - used, 2 ** 30)
  encoder.hostDescr(host.name, host.uuid, MACHINE_X86_64, OS_LINUX, '6.8.12-4-pve')
  encoder.hostAdapters([{ ifIndex: host.uplink.ifIndex, macs: [host.mac] }])
  encoder.hostCpu({
    loadOne: load,
    loadFive: load,
    loadFifteen: load,
    procRun: Math.ceil(load),
    procTotal: 400 + 8 * host.vms.length,
    cpuNum: host.cpus,
    cpuSpeed: MHZ,
    uptime: Math.floor(uptime / 1000),
    cpuUser: cpuMs * 0.6,
    cpuNice: 0,
    cpuSystem: cpuMs * 0.3,
    cpuIdle: Math.max(0, uptime * host.cpus - cpuMs),
    cpuWio: cpuMs * 0.04,
    cpuIntr: cpuMs * 0.01,
    cpuSintr: cpuMs * 0.05,
    interrupts: cpuMs * 9,
    contexts: cpuMs * 14,
    cpuSteal: 0,
    cpuGuest: cpuMs * 0.5,
    cpuGuestNice: 0,
  })
  encoder.hostMemory({
    total: host.memory,
    free,
    shared: 0,
    buffers: 2 ** 28,
    cached: free * 0.5,
    swapTotal: 8 * 2 ** 30,
    swapFree: 8 * 2 ** 30,
    pageIn: uptime * 0.02,
    pageOut: uptime * 0.09,
    swapIn: 0,
    swapOut: 0,
  })
  encoder.hostDiskIo({
    total: DISK,
    free: DISK * 0.55,
    partMaxUsed: 6200,
    reads: uptime * 0.05,
    bytesRead: uptime * 1600,
    readTime: uptime * 0.01,
    writes: uptime * 0.12,
    bytesWritten: uptime * 5200,
    writeTime: uptime * 0.03,
  })
  encoder.hostNetIo(netIo(host.uplink.inBytes, host.uplink.inPackets, host.uplink.outBytes, host.uplink.outPackets))
  encoder.virtNode(MHZ, host.cpus, host.memory, free, host.vms.length)
}

/** host_descr, host_adapters, host_parent, virt_cpu, virt_memory, virt_disk_io, virt_net_io. */
export function vmRecords(encoder: SflowEncoder, vm: Machine, usage: Usage, uptime: number): void {
  const ports = vm.nics.flatMap((nic) => nic.port ?? [])
  const { cpuMs } = usage.cpu(vm, ports, uptime)
  encoder.hostDescr(vm.name, vm.uuid, MACHINE_X86_64, OS_LINUX, '')
  encoder.hostAdapters(vm.nics.map((nic) => ({ ifIndex: nic.port?.ifIndex ?? 0, macs: [nic.mac] })))
  encoder.hostParent(SOURCE_CLASS.physicalEntity, 1)
  encoder.virtCpu(RUNNING, cpuMs, vm.cpus)
  encoder.virtMemory(vm.memory * 0.8, vm.memory)
  encoder.virtDiskIo({
    capacity: 40e9,
    allocation: 21e9,
    available: 40e9,
    readRequests: uptime * 0.01,
    bytesRead: uptime * 400,
    writeRequests: uptime * 0.03,
    bytesWritten: uptime * 900,
    errors: 0,
  })
  // The switch's in is the machine's out.
  let bytesIn = 0
  let packetsIn = 0
  let bytesOut = 0
  let packetsOut = 0
  for (const port of ports) {
    bytesIn += port.outBytes
    packetsIn += port.outPackets
    bytesOut += port.inBytes
    packetsOut += port.inPackets
  }
  encoder.virtNetIo(netIo(bytesIn, packetsIn, bytesOut, packetsOut))
}

function netIo(bytesIn: number, packetsIn: number, bytesOut: number, packetsOut: number): NetIo {
  return { bytesIn, packetsIn, errorsIn: 0, dropsIn: 0, bytesOut, packetsOut, errorsOut: 0, dropsOut: 0 }
}
