import type { Host, Machine, Port } from './data-center.ts'
import { Random } from './random.ts'

// How busy machines are besides their network: invented, but in step with the traffic.

/** What a machine has used since it started; percentages follow from its traffic. */
export class Usage {
  private readonly random: Random
  private readonly machines = new Map<Machine | Host, { at: number; cpuMs: number; packets: number; load: number }>()

  constructor(seed: number) {
    this.random = new Random(seed, 'usage')
  }

  /** Milliseconds of CPU used up to `uptime` (ms), and the present load in CPUs. */
  cpu(machine: Machine | Host, ports: readonly Port[], uptime: number): { cpuMs: number; load: number } {
    let packets = 0
    for (const port of ports) packets += port.inPackets + port.outPackets
    let state = this.machines.get(machine)
    if (state === undefined) {
      state = { at: uptime, cpuMs: uptime * 0.2 * machine.cpus, packets, load: 0.2 * machine.cpus }
      this.machines.set(machine, state)
      return state
    }
    const elapsed = uptime - state.at
    if (elapsed <= 0) return state
    // A packet costs about 8 microseconds of work.
    const busy = ((packets - state.packets) / elapsed) * 0.008 + 0.05 * machine.cpus
    state.load = Math.min(machine.cpus * 0.97, busy * this.random.logNormal(0.1))
    state.cpuMs += state.load * elapsed
    state.at = uptime
    state.packets = packets
    return state
  }
}
