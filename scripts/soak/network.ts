import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { frameOf, someFlows, writeFrames } from '../../test/interop/frames.ts'
import { run } from '../../test/interop/processes.ts'

// A link between two namespaces on which known frames are sent: what the meter and the probe look at.

export const MACHINES = 32
export const UPLINK_MAC = '00:14:22:59:22:77'
export const macOf = (i: number): string => `02:54:00:00:00:${(i + 1).toString(16).padStart(2, '0')}`

const FLOWS = 10_000
const TRACES = 4

export interface Network {
  readonly device: string
  /** Frames that one run over a trace sends. */
  readonly framesAtOnce: number
  /** What the kernel has counted on the device since it exists. */
  counted(): { frames: number; octets: number }
  /** Sends for so many seconds; resolves when all is sent. */
  send(seconds: number, rate: number): Promise<void>
  /** Takes the device away. */
  remove(): void
  add(): void
  close(): void
}

export function createNetwork(folder: string): Network {
  const tag = process.pid.toString(36)
  const [namespace, device, far] = [`so-${tag}`, `son${tag}`, `sof${tag}`]
  const traces = Array.from({ length: TRACES }, (_, n) => join(folder, `trace-${n}.pcap`))
  let turn = 0
  let sending: ChildProcess | undefined

  function add(): void {
    run('ip', ['link', 'add', device, 'type', 'veth', 'peer', 'name', far, 'netns', namespace])
    run('sysctl', ['-qw', `net.ipv6.conf.${device}.disable_ipv6=1`])
    run('ip', ['netns', 'exec', namespace, 'sysctl', '-qw', `net.ipv6.conf.${far}.disable_ipv6=1`])
    run('ip', ['-n', namespace, 'link', 'set', far, 'arp', 'off', 'up'])
    run('ip', ['link', 'set', device, 'arp', 'off', 'up'])
  }

  for (const [n, trace] of traces.entries()) writeFrames(trace, framesOf(n), Date.UTC(2026, 0, 5))
  run('ip', ['netns', 'add', namespace])
  add()

  return {
    device,
    framesAtOnce: FLOWS,
    counted: () => {
      const read = (name: string): number => Number(readFileSync(`/sys/class/net/${device}/statistics/${name}`, 'utf8'))
      return { frames: read('rx_packets'), octets: read('rx_bytes') }
    },
    async send(seconds, rate) {
      const trace = traces[turn++ % TRACES] as string
      const loops = Math.max(1, Math.round((seconds * rate) / FLOWS))
      // Twenty at a time and a sleep: by its own clock it would keep one core busy all the while.
      const pace = ['-T', 'nano', '--pps-multi=20']
      const flags = ['-q', '-K', ...pace, '--loop', String(loops), '-p', String(rate), '-i', far, trace]
      sending = spawn('ip', ['netns', 'exec', namespace, 'tcpreplay', ...flags], { stdio: 'ignore' })
      const [status] = (await once(sending, 'exit')) as [number | null]
      sending = undefined
      if (status !== 0) throw new Error(`tcpreplay ended with ${status}`)
    },
    remove: () => void run('ip', ['link', 'del', device]),
    add,
    close() {
      sending?.kill('SIGKILL')
      run('ip', ['netns', 'del', namespace])
    },
  }
}

/** Frames of other flows for each trace: between machines of the switch, and to and from others behind the uplink. */
function framesOf(n: number): Buffer[] {
  const bytesOf = (mac: string): Buffer => Buffer.from(mac.replaceAll(':', ''), 'hex')
  return someFlows(FLOWS, { vlans: [10, 20], ipv6: true }).map((flow, i) => {
    const frame = frameOf({ ...flow, srcPort: flow.proto === 1 ? 0 : 1024 + ((i + n * FLOWS) % 64_000), packets: 1 }, 0)
    frame.set(bytesOf(macOf(i % MACHINES)), 0)
    frame.set(bytesOf(i % 3 === 0 ? UPLINK_MAC : macOf((i * 7 + 1) % MACHINES)), 6)
    return frame
  })
}
