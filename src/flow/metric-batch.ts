/** Counters on their way to the `metrics` table: column arrays of equal length, one entry a value. */
export class MetricBatch {
  n = 0
  /** Receipt time, milliseconds since 1970. */
  readonly time: number[] = []
  /** Address of the agent, as text. */
  readonly source: string[] = []
  readonly observation: number[] = []
  /** What it counts: `if:3`, `host`, `vm:web-1`, `vlan:110`, `entity:2:1`. */
  readonly entity: string[] = []
  /** `record.field` in snake_case: `if_counters.if_in_octets`. */
  readonly metric: string[] = []
  readonly value: number[] = []

  add(time: number, source: string, observation: number, entity: string, metric: string, value: number): void {
    this.time.push(time)
    this.source.push(source)
    this.observation.push(observation)
    this.entity.push(entity)
    this.metric.push(metric)
    this.value.push(value)
    this.n++
  }

  clear(): void {
    for (const list of [this.time, this.source, this.observation, this.entity, this.metric, this.value]) list.length = 0
    this.n = 0
  }
}
