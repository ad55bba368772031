// What `decode --summary` counts: decoded records by kind, exporter, template and structure, and problems.

/** A decoded record as the readers of sFlow, NetFlow and IPFIX make it. */
interface Counted {
  readonly kind: string
  readonly protocol?: string
  /** Of a problem. */
  readonly code?: string
  readonly exporter?: string
  readonly observationDomain?: number
  readonly templateId?: number
  readonly agent?: string
  readonly subAgent?: number
  readonly format?: string
  readonly records?: readonly { readonly type: string; readonly format?: unknown }[]
}

type Counts = Readonly<Record<string, number>>

export interface Summary {
  count(record: Counted, protocol: string): void
  counts(): {
    /** By protocol and kind. */
    readonly records: Counts
    /** By exporter, protocol and observation domain or sub-agent. */
    readonly exporters: Counts
    /** Records by exporter, protocol, domain and template. */
    readonly templates?: Counts
    /** sFlow's structures; those that are not known by their number. */
    readonly structures?: Counts
    readonly problems?: Counts
  }
}

export function createSummary(): Summary {
  const records = new Map<string, number>()
  const exporters = new Map<string, number>()
  const templates = new Map<string, number>()
  const structures = new Map<string, number>()
  const problems = new Map<string, number>()

  return {
    count(record, given) {
      const protocol = record.protocol ?? given
      if (record.kind === 'problem') {
        add(problems, record.code ?? 'unknown')
        return
      }
      add(records, `${protocol} ${record.kind}`)
      const domain = record.observationDomain ?? record.subAgent ?? 0
      const exporter = `${record.exporter ?? record.agent ?? 'unknown'} ${protocol} ${domain}`
      add(exporters, exporter)
      if (record.templateId !== undefined && record.templateId > 0) add(templates, `${exporter} ${record.templateId}`)
      if (record.kind === 'unknown_sample') add(structures, `unknown sample ${record.format}`)
      const group = record.kind === 'counter_sample' ? 'counter' : 'flow'
      for (const { type, format } of record.records ?? [])
        add(structures, type === 'unknown' ? `unknown ${group} ${String(format)}` : `${group} ${type}`)
    },
    counts: () => ({
      records: sorted(records),
      exporters: sorted(exporters),
      ...(templates.size > 0 ? { templates: sorted(templates) } : {}),
      ...(structures.size > 0 ? { structures: sorted(structures) } : {}),
      ...(problems.size > 0 ? { problems: sorted(problems) } : {}),
    }),
  }
}

function add(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

function sorted(counts: ReadonlyMap<string, number>): Counts {
  return Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })))
}
