// What the larger counter structures of sFlow hold, field by field in the order of the specification (sflow_version_5.txt, sflow_host.txt).

/** Octets and packets count from when the agent started and wrap as the field does. */
export interface IfCounters {
  ifIndex: number
  ifType: number
  ifSpeed: number
  /** 0 unknown, 1 full duplex, 2 half duplex, 3 in, 4 out. */
  ifDirection: number
  /** bit 0 admin up, bit 1 oper up */
  ifStatus: number
  inOctets: number
  inUcastPkts: number
  inMulticastPkts: number
  inBroadcastPkts: number
  inDiscards: number
  inErrors: number
  inUnknownProtos: number
  outOctets: number
  outUcastPkts: number
  outMulticastPkts: number
  outBroadcastPkts: number
  outDiscards: number
  outErrors: number
  promiscuousMode: number
}

export interface HostAdapter {
  readonly ifIndex: number
  readonly macs: readonly Uint8Array[]
}

export interface HostCpu {
  loadOne: number
  loadFive: number
  loadFifteen: number
  procRun: number
  procTotal: number
  cpuNum: number
  /** MHz */
  cpuSpeed: number
  /** Seconds. */
  uptime: number
  cpuUser: number
  cpuNice: number
  cpuSystem: number
  cpuIdle: number
  cpuWio: number
  cpuIntr: number
  cpuSintr: number
  interrupts: number
  contexts: number
  cpuSteal: number
  cpuGuest: number
  cpuGuestNice: number
}

export interface HostMemory {
  total: number
  free: number
  shared: number
  buffers: number
  cached: number
  swapTotal: number
  swapFree: number
  pageIn: number
  pageOut: number
  swapIn: number
  swapOut: number
}

export interface HostDiskIo {
  total: number
  free: number
  /** Fullest partition, hundredths of a percent. */
  partMaxUsed: number
  reads: number
  bytesRead: number
  readTime: number
  writes: number
  bytesWritten: number
  writeTime: number
}

export interface VirtDiskIo {
  capacity: number
  allocation: number
  available: number
  readRequests: number
  bytesRead: number
  writeRequests: number
  bytesWritten: number
  errors: number
}

export interface NetIo {
  bytesIn: number
  packetsIn: number
  errorsIn: number
  dropsIn: number
  bytesOut: number
  packetsOut: number
  errorsOut: number
  dropsOut: number
}
