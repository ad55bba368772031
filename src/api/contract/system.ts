import { z } from 'zod'

export const Ledger = z
  .object({
    datagrams: z.object({
      received: z.number(),
      kernelDropped: z.number().describe('by the socket, before the server could read them'),
      rejected: z.number().describe('nothing could be made of them; see the reasons at the exporters'),
    }),
    flows: z.object({
      decoded: z.number(),
      queueDropped: z.number().describe('decoded, but the pipeline was full'),
      spoolRefused: z.number().describe('the spool was full or could not be written'),
      spooled: z.number(),
      other: z.number().describe('came by another way: left in the spool by an earlier run, or the past of the demo'),
      stored: z.number(),
      waiting: z.number().describe('in the spool, not yet in the store'),
    }),
    metrics: z.object({ decoded: z.number(), stored: z.number() }),
  })
  .describe(
    'since the server started: decoded = queueDropped + spoolRefused + spooled (+ what is in flight); spooled + other = stored + waiting (+ what was set aside)',
  )
export type Ledger = z.infer<typeof Ledger>

export const Health = z.object({
  status: z.enum(['ok', 'degraded']),
  version: z.string(),
  startedAt: z.number(),
  now: z.number(),
  reasons: z.array(z.string()).describe('plain sentences; empty if all is well'),
  listeners: z.array(
    z.object({
      address: z.string(),
      port: z.number(),
      receiver: z.enum(['recvmmsg', 'dgram', 'tcp', 'tls']),
      receiveBufferBytes: z.number(),
      datagrams: z.number(),
      bytes: z.number(),
      kernelDropped: z.number(),
    }),
  ),
  store: z.object({
    state: z.enum(['starting', 'ready', 'away', 'stopped']),
    since: z.number(),
    error: z.string().optional(),
    restarts: z.number(),
    flows: z.number().describe('rows stored'),
    bytesOnDisk: z.number(),
    oldest: z.number().nullable(),
    newest: z.number().nullable(),
  }),
  spool: z.object({
    files: z.number(),
    bytes: z.number(),
    rows: z.number(),
    oldest: z.number().nullable(),
    limitBytes: z.number(),
  }),
  ledger: Ledger,
})
export type Health = z.infer<typeof Health>

export const StorageAnswer = z.object({
  tables: z.array(
    z.object({
      name: z.string(),
      describe: z.string(),
      kind: z.enum(['flows', 'counters', 'minutes', 'hours', 'days', 'other']),
      rows: z.number(),
      bytes: z.number().describe('on disk'),
      oldest: z.number().nullable().describe('milliseconds since 1970'),
      newest: z.number().nullable(),
      keepDays: z.number().nullable().describe('what is older is deleted'),
      keepBytes: z.number().nullable().describe('of all tables of this kind: when they take more, their oldest goes'),
      droppedUntil: z.number().nullable().describe('what was received before has been deleted, at least in part'),
    }),
  ),
  keepBytes: z.number().nullable().describe('of all tables together'),
  disk: z.object({ free: z.number(), total: z.number() }).nullable().describe('of the data directory'),
  rollups: z
    .object({
      built: z.number().describe('times of which sums were made since the server started'),
      waiting: z.number().describe('times whose sums are due'),
      problem: z.string().nullable(),
    })
    .nullable()
    .describe('null where the store is not embedded'),
})
export type StorageAnswer = z.infer<typeof StorageAnswer>

export const ExporterStream = z.object({
  sourcePort: z.number(),
  protocol: z.enum(['sflow', 'netflow1', 'netflow5', 'netflow7', 'netflow9', 'ipfix']),
  observation: z.number(),
  firstHeard: z.number(),
  lastHeard: z.number(),
  datagrams: z.number(),
  flows: z.number(),
  others: z.number(),
  templates: z.array(
    z.object({ id: z.number(), kind: z.enum(['data', 'options']), fields: z.number(), text: z.string() }),
  ),
  sampling: z.array(z.object({ rate: z.number(), from: z.string() })),
  lost: z.number(),
  reordered: z.number(),
  restarts: z.number(),
  pending: z.number(),
  problems: z.record(z.string(), z.number()),
})
export const Exporter = z.object({
  address: z.string(),
  name: z.string().nullable().describe('from the inventory or the sFlow host structures'),
  protocols: z.array(z.string()),
  state: z.enum(['heard', 'silent']).describe('silent: nothing for 90 s, or three times its usual pause'),
  firstHeard: z.number(),
  lastHeard: z.number(),
  datagramsPerSecond: z.number(),
  flowsPerSecond: z.number(),
  datagrams: z.number(),
  flows: z.number(),
  lost: z.number(),
  sampling: z.array(z.object({ rate: z.number(), from: z.string() })),
  interfaces: z.number().describe('ports heard of'),
  problems: z.record(z.string(), z.object({ count: z.number(), text: z.string() })),
  streams: z.array(ExporterStream),
})
export type Exporter = z.infer<typeof Exporter>
export const ExportersAnswer = z.object({
  now: z.number(),
  exporters: z.array(Exporter),
  total: z.number(),
  evicted: z.number(),
  refused: z
    .array(z.object({ code: z.string(), text: z.string(), count: z.number() }))
    .describe('datagrams of no known exporter'),
})
export type ExportersAnswer = z.infer<typeof ExportersAnswer>

export const Machine = z.object({
  name: z.string(),
  kind: z.enum(['vm', 'host', 'physical']),
  uuid: z.string().nullable(),
  host: z.string().nullable().describe('the host it runs on'),
  macs: z.array(z.string()),
  addresses: z.array(z.string()),
  vlans: z.array(z.number()),
  slice: z.string().nullable(),
  from: z.array(z.string()).describe('where it was learnt: sflow, config'),
  lastSeen: z.number().nullable(),
})
export type Machine = z.infer<typeof Machine>
export const InventoryAnswer = z.object({
  machines: z.array(Machine),
  vlans: z.array(z.object({ id: z.number(), name: z.string().nullable(), lastSeen: z.number().nullable() })),
  switches: z.array(z.object({ address: z.string(), name: z.string().nullable(), host: z.string().nullable() })),
})
export type InventoryAnswer = z.infer<typeof InventoryAnswer>

export const ColumnsAnswer = z.object({
  columns: z.array(
    z.object({
      name: z.string(),
      label: z.string(),
      describe: z.string(),
      format: z.string(),
      dimension: z.boolean(),
      derived: z.boolean().describe('true for dimensions made of columns: vlan, ip, vm, …'),
      values: z.array(z.string()).optional(),
    }),
  ),
})
export type ColumnsAnswer = z.infer<typeof ColumnsAnswer>
