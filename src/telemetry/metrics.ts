import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client'

/** One value of a metric, with its labels. */
export interface Reading {
  readonly labels?: Readonly<Record<string, string>>
  readonly value: number
}

/** A metric that is read when it is asked for: its owner keeps the number, nobody has to push it. */
export interface MetricDefinition {
  /** Without the prefix `vnetscope_`; counters end in `_total`. */
  readonly name: string
  readonly help: string
  readonly kind: 'counter' | 'gauge'
  readonly labels?: readonly string[]
  readonly read: () => number | readonly Reading[]
}

export const METRIC_PREFIX = 'vnetscope_'

/** A registry of our own with the process metrics of Node. */
export function createRegistry(): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry, prefix: METRIC_PREFIX })
  return registry
}

export function registerMetrics(registry: Registry, definitions: readonly MetricDefinition[]): void {
  for (const { name, help, kind, labels = [], read } of definitions) {
    const options = { name: METRIC_PREFIX + name, help, labelNames: [...labels], registers: [registry] }
    const readings = (): readonly Reading[] => {
      const value = read()
      return typeof value === 'number' ? [{ value }] : value
    }
    if (kind === 'gauge') {
      new Gauge({
        ...options,
        collect() {
          this.reset()
          for (const reading of readings()) this.set({ ...reading.labels }, reading.value)
        },
      })
    } else {
      new Counter({
        ...options,
        collect() {
          this.reset()
          for (const reading of readings()) this.inc({ ...reading.labels }, reading.value)
        },
      })
    }
  }
}
