import type { Sighting } from '../flow/sighting.ts'

const MOST_INTERFACES = 200_000

/** An interface of an exporter, as its counters and port names tell. */
export interface InterfaceRecord {
  readonly agent: string
  readonly ifIndex: number
  name: string | null
  /** Bits a second. */
  speed: number | null
  /** bit 0 admin up, bit 1 oper up */
  status: number | null
}

/** The interfaces that exporters have told of, bounded. */
export function createInterfaces() {
  const records = new Map<string, InterfaceRecord>()
  const counts = new Map<string, number>()
  return {
    sight(sighting: Extract<Sighting, { kind: 'interface' }>): void {
      const key = `${sighting.agent}/${sighting.ifIndex}`
      let record = records.get(key)
      if (!record) {
        if (records.size >= MOST_INTERFACES) return
        record = { agent: sighting.agent, ifIndex: sighting.ifIndex, name: null, speed: null, status: null }
        records.set(key, record)
        counts.set(sighting.agent, (counts.get(sighting.agent) ?? 0) + 1)
      }
      record.name = sighting.name ?? record.name
      record.speed = sighting.speed ?? record.speed
      record.status = sighting.status ?? record.status
    },
    /** How many interfaces of an exporter are known. */
    count: (agent: string): number => counts.get(agent) ?? 0,
    save: (): InterfaceRecord[] => [...records.values()],
    restore(saved: readonly InterfaceRecord[]): void {
      for (const record of saved) {
        const key = `${record.agent}/${record.ifIndex}`
        if (records.size >= MOST_INTERFACES || records.has(key)) continue
        records.set(key, { ...record })
        counts.set(record.agent, (counts.get(record.agent) ?? 0) + 1)
      }
    },
  }
}
