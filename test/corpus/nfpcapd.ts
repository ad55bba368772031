// Captures metered by nfpcapd, flow by flow.

import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface FlowSum {
  readonly packets: number
  readonly bytes: number
  readonly tcpFlags: number
  /** Milliseconds since 1970. */
  readonly first: number
  readonly last: number
}

/** By `PROTOCOL ADDRESS PORT ADDRESS PORT`; of ICMP `0` and `TYPE.CODE`. */
export type FlowSums = Map<string, FlowSum>

/** Pieces of a flow are one flow. */
export function addFlow(sums: FlowSums, key: string, flow: FlowSum): void {
  const before = sums.get(key)
  sums.set(
    key,
    before
      ? {
          packets: before.packets + flow.packets,
          bytes: before.bytes + flow.bytes,
          tcpFlags: before.tcpFlags | flow.tcpFlags,
          first: Math.min(before.first, flow.first),
          last: Math.max(before.last, flow.last),
        }
      : flow,
  )
}

/** As nfdump writes protocols that have a name. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  ICMP: 1,
  IGMP: 2,
  IPIP: 4,
  TCP: 6,
  UDP: 17,
  DCCP: 33,
  IPv6: 41,
  RSVP: 46,
  GRE: 47,
  ESP: 50,
  AH: 51,
  ICMP6: 58,
  EIGRP: 88,
  OSPF: 89,
  PIM: 103,
  IPCOMP: 108,
  VRRP: 112,
  SCTP: 132,
  UDPLite: 136,
}

const FLAGS = 'FSRPAUEC'

const COLUMNS = ['ts', 'te', 'pr', 'sa', 'sp', 'da', 'dp', 'flg', 'pkt', 'byt']

/** What nfpcapd makes of a capture; undefined where it does not read its link type. Flows without packets, which it notes of tunnels that it looks into, are left out. */
export async function nfpcapdFlows(capture: string): Promise<FlowSums | undefined> {
  const directory = mkdtempSync(join(tmpdir(), 'vnetscope-nfpcapd-'))
  try {
    // The smallest cache, and the longest times, that it takes
    await run('nfpcapd', [
      '-r',
      capture,
      '-w',
      directory,
      '-t',
      '86400',
      '-e',
      '3600,3600',
      '-B',
      '65536',
      '-s',
      '65535',
    ])
    const form = `fmt:${COLUMNS.map((name) => `%${name}`).join(';')}`
    const { stdout } = await run('nfdump', ['-q', '-N', '-6', '-R', directory, '-o', form], {
      env: { ...process.env, TZ: 'UTC' },
      maxBuffer: 1 << 26,
    })
    return parse(stdout)
  } catch (error) {
    const said = `${(error as { stderr?: string }).stderr}`
    if (/unsupported|Setup failed/i.test(said)) return undefined
    throw error
  } finally {
    rmSync(directory, { recursive: true })
  }
}

function parse(text: string): FlowSums {
  const sums: FlowSums = new Map()
  for (const line of text.split('\n')) {
    const cells = line.split(';').map((cell) => cell.trim())
    if (cells.length < COLUMNS.length) continue
    const [first, last, protocol, source, sourcePort, destination, destinationPort, flags, packets, bytes] = cells as [
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
      string,
    ]
    if (packets === '0') continue
    addFlow(sums, `${PROTOCOLS[protocol] ?? protocol} ${source} ${sourcePort} ${destination} ${destinationPort}`, {
      packets: Number(packets),
      bytes: Number(bytes),
      tcpFlags: flagsOf(flags),
      first: timeOf(first),
      last: timeOf(last),
    })
  }
  return sums
}

function timeOf(text: string): number {
  return Date.parse(`${text.replace(' ', 'T')}Z`)
}

/** `...AP.SF`, a letter for each. */
function flagsOf(text: string): number {
  let flags = 0
  for (const letter of text.replaceAll('.', '')) flags |= 1 << FLAGS.indexOf(letter)
  return flags
}
