import type { HostAdapter, HostCpu, HostDiskIo, HostMemory, IfCounters, NetIo, VirtDiskIo } from './counter-values.ts'

// Writes sFlow version 5 datagrams (sFlow.org, sflow_version_5.txt; host structures: sflow_host.txt) into one reused buffer.
// Everything is XDR: big-endian, each item padded to 4 bytes.
//
//   sample_datagram      version=5 · agent address · sub_agent_id · sequence_number · uptime ms · n · samples
//   address              type (1 IPv4, 2 IPv6) · 4 or 16 bytes
//   sample, record       tag (enterprise << 12 | format) · length · body

const VERSION = 5
const ADDRESS_IPV4 = 1
const ADDRESS_IPV6 = 2

/** Tags of samples (enterprise 0). */
export const SAMPLE = { flow: 1, counters: 2, flowExpanded: 3, countersExpanded: 4 } as const

/** Classes of a data source. */
export const SOURCE_CLASS = { ifIndex: 0, vlan: 1, physicalEntity: 2, logicalEntity: 3 } as const

/** ifIndex of "inside the device": the host's own stack. */
export const INTERNAL_PORT = 0x3fffffff

/** header_protocol of a sampled_header. */
export const HEADER_PROTOCOL = { ethernet: 1, ipv4: 11, ipv6: 12 } as const

export interface SflowEncoderOptions {
  /** 16 bytes, IPv4 mapped. */
  readonly agent: Uint8Array
  readonly subAgent: number
  /** Largest datagram that is started; a single larger sample goes alone. */
  readonly maxBytes?: number
  /** Use the expanded forms (needed for source indexes from 2^24 and port numbers from 2^30). */
  readonly expanded?: boolean
}

/** Takes a finished datagram; the bytes are valid only during the call. */
export type EmitDatagram = (datagram: Uint8Array) => void

const LARGEST = 65_507

/**
 * Collects samples into datagrams. A sample is written between `begin…Sample` and `endSample`, its records in between; a
 * sample that no longer fits goes into the next datagram. `uptime` is written as it stands when a datagram leaves.
 */
export class SflowEncoder {
  /** Milliseconds since the agent started. */
  uptime = 0
  /** Datagrams sent. */
  sequence = 0
  private readonly bytes = new Uint8Array(2 * LARGEST)
  private readonly view = new DataView(this.bytes.buffer)
  private readonly headerLength: number
  private readonly maxBytes: number
  private readonly expanded: boolean
  private readonly emit: EmitDatagram
  private at: number
  private samples = 0
  private sampleStart = 0
  private recordCountAt = 0
  private recordStart = 0

  constructor(options: SflowEncoderOptions, emit: EmitDatagram) {
    this.maxBytes = Math.min(options.maxBytes ?? 1400, LARGEST)
    this.expanded = options.expanded ?? true
    this.emit = emit
    const { agent } = options
    const v4 = isIpv4(agent)
    this.view.setUint32(0, VERSION)
    this.view.setUint32(4, v4 ? ADDRESS_IPV4 : ADDRESS_IPV6)
    this.bytes.set(v4 ? agent.subarray(12) : agent, 8)
    this.headerLength = (v4 ? 12 : 24) + 16
    this.view.setUint32(this.headerLength - 16, options.subAgent)
    this.at = this.headerLength
  }

  /** Samples that wait for the datagram to be full. */
  get pending(): number {
    return this.samples
  }

  /** Sends what waits, if anything does. */
  flush(): void {
    if (this.samples > 0) this.send(this.at)
    this.at = this.headerLength
    this.samples = 0
  }

  private send(length: number): void {
    this.sequence = (this.sequence + 1) >>> 0
    const header = this.headerLength
    this.view.setUint32(header - 12, this.sequence)
    this.view.setUint32(header - 8, this.uptime >>> 0)
    this.view.setUint32(header - 4, this.samples)
    this.emit(this.bytes.subarray(0, length))
  }

  // flow_sample (0:1)      sequence · source_id (class << 24 | index) · sampling_rate · sample_pool · drops · input · output · n · records
  // flow_sample_expanded (0:3)  sequence · class · index · sampling_rate · sample_pool · drops · input format, value · output format, value · n · records
  beginFlowSample(
    sequence: number,
    sourceClass: number,
    sourceIndex: number,
    samplingRate: number,
    samplePool: number,
    drops: number,
    input: number,
    output: number,
  ): void {
    this.beginSample(this.expanded ? SAMPLE.flowExpanded : SAMPLE.flow)
    this.u32(sequence)
    this.dataSource(sourceClass, sourceIndex)
    this.u32(samplingRate)
    this.u32(samplePool)
    this.u32(drops)
    this.port(input)
    this.port(output)
    this.beginRecords()
  }

  // counters_sample (0:2)  sequence · source_id · n · records        counters_sample_expanded (0:4)  sequence · class · index · n · records
  beginCountersSample(sequence: number, sourceClass: number, sourceIndex: number): void {
    this.beginSample(this.expanded ? SAMPLE.countersExpanded : SAMPLE.counters)
    this.u32(sequence)
    this.dataSource(sourceClass, sourceIndex)
    this.beginRecords()
  }

  /** Closes the sample, and sends the datagram before it if both together are too long. */
  endSample(): void {
    const { view, sampleStart } = this
    view.setUint32(sampleStart + 4, this.at - sampleStart - 8)
    if (this.at > this.maxBytes && this.samples > 0) {
      const end = this.at
      this.send(sampleStart)
      this.bytes.copyWithin(this.headerLength, sampleStart, end)
      this.at = this.headerLength + end - sampleStart
      this.samples = 0
    }
    this.samples++
  }

  private beginSample(tag: number): void {
    this.sampleStart = this.at
    this.u32(tag)
    this.u32(0)
  }

  private beginRecords(): void {
    this.recordCountAt = this.at
    this.u32(0)
  }

  private dataSource(sourceClass: number, index: number): void {
    if (this.expanded) {
      this.u32(sourceClass)
      this.u32(index)
    } else {
      this.u32((sourceClass << 24) | (index & 0xffffff))
    }
  }

  /** An interface: two bits of format, 30 of value; the expanded form has a word for each. */
  private port(port: number): void {
    if (this.expanded) this.u32(port >>> 30)
    this.u32(this.expanded ? port & 0x3fffffff : port)
  }

  // ── flow records ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** sampled_header (0:1): protocol · frame_length · stripped · header<>. */
  sampledHeader(protocol: number, frameLength: number, stripped: number, header: Uint8Array, length: number): void {
    this.beginRecord(1)
    this.u32(protocol)
    this.u32(frameLength)
    this.u32(stripped)
    this.u32(length)
    const padded = (length + 3) & ~3
    const { bytes, at } = this
    for (let i = 0; i < length; i++) bytes[at + i] = header[i] as number
    for (let i = length; i < padded; i++) bytes[at + i] = 0
    this.at = at + padded
    this.endRecord()
  }

  /** sampled_ipv4 (0:3): length · protocol · src · dst · src_port · dst_port · tcp_flags · tos. Addresses are 4 bytes. */
  sampledIpv4(
    length: number,
    protocol: number,
    src: Uint8Array,
    dst: Uint8Array,
    srcPort: number,
    dstPort: number,
    tcpFlags: number,
    tos: number,
  ): void {
    this.sampledIp(3, length, protocol, src, dst, srcPort, dstPort, tcpFlags, tos)
  }

  /** sampled_ipv6 (0:4): as sampled_ipv4 with 16-byte addresses and the traffic class last. */
  sampledIpv6(
    length: number,
    protocol: number,
    src: Uint8Array,
    dst: Uint8Array,
    srcPort: number,
    dstPort: number,
    tcpFlags: number,
    priority: number,
  ): void {
    this.sampledIp(4, length, protocol, src, dst, srcPort, dstPort, tcpFlags, priority)
  }

  private sampledIp(
    tag: number,
    length: number,
    protocol: number,
    src: Uint8Array,
    dst: Uint8Array,
    srcPort: number,
    dstPort: number,
    tcpFlags: number,
    tos: number,
  ): void {
    this.beginRecord(tag)
    this.u32(length)
    this.u32(protocol)
    this.opaque(src)
    this.opaque(dst)
    this.u32(srcPort)
    this.u32(dstPort)
    this.u32(tcpFlags)
    this.u32(tos)
    this.endRecord()
  }

  /** extended_switch (0:1001): src_vlan · src_priority · dst_vlan · dst_priority. */
  extendedSwitch(srcVlan: number, srcPriority: number, dstVlan: number, dstPriority: number): void {
    this.beginRecord(1001)
    this.u32(srcVlan)
    this.u32(srcPriority)
    this.u32(dstVlan)
    this.u32(dstPriority)
    this.endRecord()
  }

  // ── counter records ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** if_counters (0:1), 88 bytes in the order of `IfCounters`. */
  ifCounters(c: IfCounters): void {
    this.beginRecord(1)
    this.u32(c.ifIndex)
    this.u32(c.ifType)
    this.u64(c.ifSpeed)
    this.u32(c.ifDirection)
    this.u32(c.ifStatus)
    this.u64(c.inOctets)
    this.u32(c.inUcastPkts)
    this.u32(c.inMulticastPkts)
    this.u32(c.inBroadcastPkts)
    this.u32(c.inDiscards)
    this.u32(c.inErrors)
    this.u32(c.inUnknownProtos)
    this.u64(c.outOctets)
    this.u32(c.outUcastPkts)
    this.u32(c.outMulticastPkts)
    this.u32(c.outBroadcastPkts)
    this.u32(c.outDiscards)
    this.u32(c.outErrors)
    this.u32(c.promiscuousMode)
    this.endRecord()
  }

  /** ethernet_counters (0:2): the 13 dot3Stats, from alignment errors to symbol errors. */
  ethernetCounters(counters: readonly number[]): void {
    this.beginRecord(2)
    for (let i = 0; i < 13; i++) this.u32(counters[i] ?? 0)
    this.endRecord()
  }

  /** port_name (0:1005): the name of the interface. */
  portName(name: string): void {
    this.beginRecord(1005)
    this.text(name)
    this.endRecord()
  }

  /** host_descr (0:2000): hostname<64> · uuid[16] · machine_type · os_name · os_release<32>. */
  hostDescr(hostname: string, uuid: Uint8Array, machineType: number, osName: number, osRelease: string): void {
    this.beginRecord(2000)
    this.text(hostname.slice(0, 64))
    this.opaque(uuid)
    this.u32(machineType)
    this.u32(osName)
    this.text(osRelease.slice(0, 32))
    this.endRecord()
  }

  /** host_adapters (0:2001): n × (ifIndex · n MACs, each padded to 8 bytes). */
  hostAdapters(adapters: readonly HostAdapter[]): void {
    this.beginRecord(2001)
    this.u32(adapters.length)
    for (const adapter of adapters) {
      this.u32(adapter.ifIndex)
      this.u32(adapter.macs.length)
      for (const mac of adapter.macs) this.opaque(mac)
    }
    this.endRecord()
  }

  /** host_parent (0:2002): class · index of the data source that contains this one. */
  hostParent(containerType: number, containerIndex: number): void {
    this.beginRecord(2002)
    this.u32(containerType)
    this.u32(containerIndex)
    this.endRecord()
  }

  /** host_cpu (0:2003), 80 bytes: three load averages as floats, then the counters, times in milliseconds. */
  hostCpu(c: HostCpu): void {
    this.beginRecord(2003)
    this.f32(c.loadOne)
    this.f32(c.loadFive)
    this.f32(c.loadFifteen)
    this.u32(c.procRun)
    this.u32(c.procTotal)
    this.u32(c.cpuNum)
    this.u32(c.cpuSpeed)
    this.u32(c.uptime)
    this.u32(c.cpuUser)
    this.u32(c.cpuNice)
    this.u32(c.cpuSystem)
    this.u32(c.cpuIdle)
    this.u32(c.cpuWio)
    this.u32(c.cpuIntr)
    this.u32(c.cpuSintr)
    this.u32(c.interrupts)
    this.u32(c.contexts)
    this.u32(c.cpuSteal)
    this.u32(c.cpuGuest)
    this.u32(c.cpuGuestNice)
    this.endRecord()
  }

  /** host_memory (0:2004): seven sizes in bytes, then pages in and out, swaps in and out. */
  hostMemory(c: HostMemory): void {
    this.beginRecord(2004)
    this.u64(c.total)
    this.u64(c.free)
    this.u64(c.shared)
    this.u64(c.buffers)
    this.u64(c.cached)
    this.u64(c.swapTotal)
    this.u64(c.swapFree)
    this.u32(c.pageIn)
    this.u32(c.pageOut)
    this.u32(c.swapIn)
    this.u32(c.swapOut)
    this.endRecord()
  }

  /** host_disk_io (0:2005). */
  hostDiskIo(c: HostDiskIo): void {
    this.beginRecord(2005)
    this.u64(c.total)
    this.u64(c.free)
    this.u32(c.partMaxUsed)
    this.u32(c.reads)
    this.u64(c.bytesRead)
    this.u32(c.readTime)
    this.u32(c.writes)
    this.u64(c.bytesWritten)
    this.u32(c.writeTime)
    this.endRecord()
  }

  /** host_net_io (0:2006). */
  hostNetIo(c: NetIo): void {
    this.netIo(2006, c)
  }

  /** virt_node (0:2100): mhz · cpus · memory · memory_free · num_domains. */
  virtNode(mhz: number, cpus: number, memory: number, memoryFree: number, domains: number): void {
    this.beginRecord(2100)
    this.u32(mhz)
    this.u32(cpus)
    this.u64(memory)
    this.u64(memoryFree)
    this.u32(domains)
    this.endRecord()
  }

  /** virt_cpu (0:2101): state (1 running) · cpuTime ms · nrVirtCpu. */
  virtCpu(state: number, cpuTime: number, cpus: number): void {
    this.beginRecord(2101)
    this.u32(state)
    this.u32(cpuTime)
    this.u32(cpus)
    this.endRecord()
  }

  /** virt_memory (0:2102): memory · maxMemory, bytes. */
  virtMemory(memory: number, maxMemory: number): void {
    this.beginRecord(2102)
    this.u64(memory)
    this.u64(maxMemory)
    this.endRecord()
  }

  /** virt_disk_io (0:2103). */
  virtDiskIo(c: VirtDiskIo): void {
    this.beginRecord(2103)
    this.u64(c.capacity)
    this.u64(c.allocation)
    this.u64(c.available)
    this.u32(c.readRequests)
    this.u64(c.bytesRead)
    this.u32(c.writeRequests)
    this.u64(c.bytesWritten)
    this.u32(c.errors)
    this.endRecord()
  }

  /** virt_net_io (0:2104): in and out as the virtual machine sees them. */
  virtNetIo(c: NetIo): void {
    this.netIo(2104, c)
  }

  private netIo(tag: number, c: NetIo): void {
    this.beginRecord(tag)
    this.u64(c.bytesIn)
    this.u32(c.packetsIn)
    this.u32(c.errorsIn)
    this.u32(c.dropsIn)
    this.u64(c.bytesOut)
    this.u32(c.packetsOut)
    this.u32(c.errorsOut)
    this.u32(c.dropsOut)
    this.endRecord()
  }

  // ── XDR ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

  private beginRecord(tag: number): void {
    this.recordStart = this.at
    this.u32(tag)
    this.u32(0)
  }

  private endRecord(): void {
    const { view, recordCountAt } = this
    view.setUint32(this.recordStart + 4, this.at - this.recordStart - 8)
    view.setUint32(recordCountAt, view.getUint32(recordCountAt) + 1)
  }

  private u32(value: number): void {
    this.view.setUint32(this.at, value)
    this.at += 4
  }

  private u64(value: number): void {
    this.view.setUint32(this.at, Math.floor(value / 2 ** 32))
    this.view.setUint32(this.at + 4, value % 2 ** 32)
    this.at += 8
  }

  private f32(value: number): void {
    this.view.setFloat32(this.at, value)
    this.at += 4
  }

  /** Bytes of a length that the reader knows, padded with zeros. */
  private opaque(value: Uint8Array): void {
    const padded = (value.length + 3) & ~3
    this.bytes.fill(0, this.at + value.length, this.at + padded)
    this.bytes.set(value, this.at)
    this.at += padded
  }

  private text(value: string): void {
    const bytes = Buffer.from(value, 'utf8')
    this.u32(bytes.length)
    this.opaque(bytes)
  }
}

function isIpv4(address: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (address[i] !== 0) return false
  return address[10] === 0xff && address[11] === 0xff
}
