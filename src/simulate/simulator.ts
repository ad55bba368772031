import type { Clock, Millis } from '../base/clock.ts'
import { simulatorConfig, type SimulatorConfig } from './config.ts'
import type { DataCenter } from './data-center.ts'
import { Simulation, SLOTS, type SimulatedExporter, type SimulationCounts } from './simulation.ts'
import type { TruthRow } from './truth.ts'

// The simulated data center in real time, at some speed, and its past.

/** Milliseconds of virtual time in which every conversation sends once. */
const ROUND = 1000
const HISTORY_ROUND = 2_000

export interface SimulatorDeps {
  readonly clock: Clock
  /** Takes a datagram; its bytes are valid only during the call. */
  readonly send: (datagram: Uint8Array, exporter: SimulatedExporter) => void
  readonly truth?: (row: TruthRow) => void
}

export interface SimulatorTiming {
  /** Virtual time at which the simulation begins; now unless given. */
  readonly startAt?: Millis
  /** Virtual seconds in one real second. */
  readonly speed?: number
}

export interface BackfillOptions {
  /** One packet in this many is sampled in the past; 20 times the live rate unless given. */
  readonly sampling?: number
  /** Seconds between counters in the past; 300 unless given. */
  readonly polling?: number
  /** Awaited after each 20 ms of work, so that what was made can be taken further. */
  readonly pause?: () => Promise<void>
  readonly signal?: AbortSignal
}

export interface Simulator {
  readonly center: DataCenter
  readonly exporters: readonly SimulatedExporter[]
  readonly counts: Readonly<SimulationCounts>
  /** Virtual time. */
  now(): Millis
  /**
   * Makes the past up to now, coarsely: each datagram with the virtual time at which it was sent. Call it before `start`, which then
   * goes on from there. Needs `startAt` to lie in the past.
   */
  backfill(
    options: BackfillOptions,
    onDatagram: (datagram: Uint8Array, sentAt: Millis, exporter: SimulatedExporter) => void,
  ): Promise<void>
  /** Runs with the clock until stopped. */
  start(): void
  stop(): void
  /** Moves virtual time on by one tenth of a second at once. */
  step(): void
}

/** How far behind the clock it may get before it leaves time out (the machine slept, or can't keep up). */
const LATEST = 3000
const TIMER = 50

/** Creates a simulator; nothing happens before `backfill`, `start` or `step`. Throws a UserError if the configuration can't be. */
export function createSimulator(
  given: Partial<SimulatorConfig>,
  deps: SimulatorDeps,
  timing: SimulatorTiming = {},
): Simulator {
  const config = simulatorConfig(given)
  const { clock } = deps
  const speed = timing.speed ?? 1
  let intoThePast: ((datagram: Uint8Array, sentAt: Millis, exporter: SimulatedExporter) => void) | undefined
  const simulation = new Simulation(config, startOf(timing, clock), {
    datagram: (bytes, exporter, now) =>
      intoThePast === undefined ? deps.send(bytes, exporter) : intoThePast(bytes, now, exporter),
    ...(deps.truth === undefined ? {} : { truth: deps.truth }),
  })
  let timer: ReturnType<typeof setInterval> | undefined
  let realStart = 0
  let virtualStart = 0

  function keepUp(): void {
    let target = virtualStart + (clock.now() - realStart) * speed
    if (target - simulation.now > LATEST * Math.max(1, speed)) {
      virtualStart = simulation.now + ROUND
      realStart = clock.now()
      target = virtualStart
    }
    while (simulation.now + ROUND / SLOTS <= target) simulation.tick(ROUND / SLOTS)
  }

  return {
    center: simulation.center,
    exporters: simulation.exporters,
    counts: simulation.counts,
    now: () => simulation.now,
    step: () => simulation.tick(ROUND / SLOTS),
    async backfill(options, onDatagram) {
      intoThePast = onDatagram
      simulation.setSampling(options.sampling ?? Math.min(1_000_000, config.sampling * 20))
      simulation.setPolling(options.polling ?? Math.max(300, config.polling))
      try {
        // Real time goes on meanwhile: it ends when it has caught up.
        while (simulation.now + HISTORY_ROUND <= clock.now() && options.signal?.aborted !== true) {
          const until = performance.now() + 20
          while (performance.now() < until && simulation.now + HISTORY_ROUND <= clock.now()) {
            for (let i = 0; i < SLOTS; i++) simulation.tick(HISTORY_ROUND / SLOTS)
          }
          await (options.pause ?? nextTurn)()
        }
        // The last seconds one by one, so that nothing is missing before the present.
        while (simulation.now + ROUND <= clock.now() && options.signal?.aborted !== true) {
          for (let i = 0; i < SLOTS; i++) simulation.tick(ROUND / SLOTS)
        }
      } finally {
        intoThePast = undefined
        simulation.setSampling(config.sampling)
        simulation.setPolling(config.polling)
      }
    },
    start() {
      realStart = clock.now()
      virtualStart = simulation.now
      timer ??= setInterval(keepUp, TIMER)
    },
    stop() {
      clearInterval(timer)
      timer = undefined
      simulation.finish()
    },
  }
}

/** Runs a simulation offline for so many minutes of virtual time. Answers the true totals. */
export function simulateMinutes(
  given: Partial<SimulatorConfig>,
  minutes: number,
  onDatagram: (datagram: Uint8Array, sentAt: Millis, exporter: SimulatedExporter) => void,
  options: { startAt?: Millis; truth?: (row: TruthRow) => void; roundMs?: number } = {},
): Simulation {
  const round = options.roundMs ?? ROUND
  const startAt = options.startAt ?? Date.UTC(2026, 0, 15, 12)
  const simulation = new Simulation(simulatorConfig(given), startAt, {
    datagram: (bytes, exporter, now) => onDatagram(bytes, now, exporter),
    ...(options.truth === undefined ? {} : { truth: options.truth }),
  })
  const end = startAt + minutes * 60_000
  while (simulation.now < end) simulation.tick(round / SLOTS)
  simulation.finish()
  return simulation
}

/** Whole rounds end with whole minutes, so that a minute's datagrams leave within it. */
function startOf({ startAt }: SimulatorTiming, clock: Clock): Millis {
  return startAt === undefined ? roundDown(clock.now(), ROUND) : roundDown(startAt, HISTORY_ROUND)
}

function roundDown(time: Millis, unit: number): Millis {
  return Math.floor(time / unit) * unit
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
