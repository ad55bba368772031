import type { Millis } from '../base/clock.ts'
import { ipText } from '../base/address.ts'
import type { DataCenter, Port } from './data-center.ts'
import { TAG, type Lane } from './lane.ts'

// What was really sent, each packet once, at the port where `vm-ports+external` sees it: where a VM sends it, or else where it
// comes in by the uplink. Lengths are as there, so what comes in by an uplink has its tag.

/** Totals of one minute, of everything that has any. */
export interface TruthRow {
  /** Start of the minute. */
  readonly time: Millis
  /** `interface` counts what crosses a port, whichever packets they are: as if_counters do. */
  readonly kind: 'total' | 'vm' | 'vlan' | 'interface'
  /** `all`; the VM's name; the VLAN; `<agent address>:<ifIndex>`. */
  readonly name: string
  /** For a VM and a port in the sense of the VM (what it receives, what it sends) and of the port; `both` otherwise. */
  readonly direction: 'in' | 'out' | 'both'
  readonly packets: number
  /** Frames with their FCS, as sFlow tells them. */
  readonly bytes: number
  /** IP packets, as NetFlow and IPFIX tell them; not kept for interfaces (0). */
  readonly ipBytes: number
}

const FIELDS = 3
const MINUTE = 60_000

/** Adds up trains of packets, and makes rows of each minute that is over. */
export class Truth {
  private readonly center: DataCenter
  private readonly onRow: (row: TruthRow) => void
  /** packets, bytes, IP bytes for each machine: received, then sent. */
  private readonly received: Float64Array
  private readonly sent: Float64Array
  private readonly vlans = new Map<number, Float64Array>()
  private readonly total = new Float64Array(FIELDS)
  private readonly ports: {
    port: Port
    name: string
    inPackets: number
    inBytes: number
    outPackets: number
    outBytes: number
  }[]
  private minute: Millis

  constructor(center: DataCenter, startedAt: Millis, onRow: (row: TruthRow) => void) {
    this.center = center
    this.onRow = onRow
    this.received = new Float64Array(center.machines.length * FIELDS)
    this.sent = new Float64Array(center.machines.length * FIELDS)
    this.minute = Math.floor(startedAt / MINUTE) * MINUTE
    this.ports = center.hosts
      .flatMap((host) => host.ports)
      .map((port) => ({
        port,
        name: `${ipText(port.host.address)}:${port.ifIndex}`,
        inPackets: 0,
        inBytes: 0,
        outPackets: 0,
        outBytes: 0,
      }))
  }

  add(lane: Lane, packets: number, frame: number, ipBytes: number): void {
    const bytes = packets * (lane.first.uplink ? frame + TAG : frame)
    const ip = packets * ipBytes
    count(this.total, 0, packets, bytes, ip)
    count(this.sent, lane.src.machine.index * FIELDS, packets, bytes, ip)
    count(this.received, lane.dst.machine.index * FIELDS, packets, bytes, ip)
    let vlan = this.vlans.get(lane.src.vlan)
    if (vlan === undefined) this.vlans.set(lane.src.vlan, (vlan = new Float64Array(FIELDS)))
    count(vlan, 0, packets, bytes, ip)
  }

  /** Time has come to `now`: a minute that is over is told. */
  tick(now: Millis): void {
    const minute = Math.floor(now / MINUTE) * MINUTE
    if (minute > this.minute) {
      this.tell()
      this.minute = minute
    }
  }

  /** Tells what there is of the last minute. */
  finish(): void {
    this.tell()
  }

  private tell(): void {
    this.row('total', 'all', 'both', this.total, 0)
    for (const { index, name, kind } of this.center.machines) {
      if (kind !== 'vm') continue
      this.row('vm', name, 'in', this.received, index * FIELDS)
      this.row('vm', name, 'out', this.sent, index * FIELDS)
    }
    for (const [vlan, totals] of this.vlans) this.row('vlan', String(vlan), 'both', totals, 0)
    for (const before of this.ports) this.tellPort(before)
    this.received.fill(0)
    this.sent.fill(0)
    this.total.fill(0)
    for (const totals of this.vlans.values()) totals.fill(0)
  }

  private row(
    kind: TruthRow['kind'],
    name: string,
    direction: TruthRow['direction'],
    from: Float64Array,
    at: number,
  ): void {
    const packets = from[at] as number
    if (packets > 0)
      this.onRow({
        time: this.minute,
        kind,
        name,
        direction,
        packets,
        bytes: from[at + 1] as number,
        ipBytes: from[at + 2] as number,
      })
  }

  private tellPort(before: (typeof this.ports)[number]): void {
    const { port, name } = before
    const tell = (direction: 'in' | 'out', packets: number, bytes: number): void => {
      if (packets > 0) this.onRow({ time: this.minute, kind: 'interface', name, direction, packets, bytes, ipBytes: 0 })
    }
    tell('in', port.inPackets - before.inPackets, port.inBytes - before.inBytes)
    tell('out', port.outPackets - before.outPackets, port.outBytes - before.outBytes)
    before.inPackets = port.inPackets
    before.inBytes = port.inBytes
    before.outPackets = port.outPackets
    before.outBytes = port.outBytes
  }
}

function count(totals: Float64Array, at: number, packets: number, bytes: number, ipBytes: number): void {
  totals[at] = (totals[at] as number) + packets
  totals[at + 1] = (totals[at + 1] as number) + bytes
  totals[at + 2] = (totals[at + 2] as number) + ipBytes
}

/** Columns of a truth file. */
export const TRUTH_HEADER = 'time\tkind\tname\tdirection\tpackets\tbytes\tip_bytes\n'

/** One line of a truth file: tab separated, time as ISO 8601. */
export function truthLine(row: TruthRow): string {
  return `${new Date(row.time).toISOString()}\t${row.kind}\t${row.name}\t${row.direction}\t${row.packets}\t${row.bytes}\t${row.ipBytes}\n`
}
