import { z } from 'zod'
import { KeyValue, Provenance, Question } from './query.ts'

// POST /api/v1/query/records. Browser-safe: imports zod alone.

export const RecordOrder = z.enum([
  'flows',
  'packets',
  'bytes',
  'pps',
  'bps',
  'bpp',
  'tstart',
  'tend',
  'duration',
  'in_packets',
  'in_bytes',
  'in_pps',
  'in_bps',
  'in_bpp',
  'out_packets',
  'out_bytes',
  'out_pps',
  'out_bps',
  'out_bpp',
])
export type RecordOrder = z.infer<typeof RecordOrder>

export const RecordsQuestion = Question.pick({
  from: true,
  to: true,
  filter: true,
  by: true,
  limit: true,
  timeoutMs: true,
  uncounted: true,
  id: true,
}).extend({
  order: RecordOrder.optional().describe(
    'bytes unless given; tstart and tend ascend, the others descend; both directions count, unless in_ (the way of the record) or out_ (the way back) stands before it',
  ),
  ways: z
    .enum(['apart', 'together', 'clients'])
    .optional()
    .describe(
      'the two directions of a connection: a record each (unless given), one record in the direction of the first flow, or one from client to server; by proto, src_addr, src_port, dst_addr, dst_port alone',
    ),
})
export type RecordsQuestion = z.infer<typeof RecordsQuestion>

export const FlowRecord = z.object({
  key: z.record(z.string(), KeyValue),
  first: z.number().describe('first packet, milliseconds; 0 if no time is known'),
  last: z.number().describe('last packet, milliseconds'),
  bytes: z.number(),
  packets: z.number(),
  flows: z.number(),
  bytesBack: z.number().describe('of the other direction; 0 where the ways are apart'),
  packetsBack: z.number(),
  flags: z.number().describe('TCP flags, ORed'),
})
export type FlowRecord = z.infer<typeof FlowRecord>

export const RecordsAnswer = z.object({
  columns: z.array(z.string()),
  rows: z.array(FlowRecord),
  more: z.boolean(),
  source: Provenance.source,
  rowsRead: Provenance.rowsRead,
  tookMs: Provenance.tookMs,
})
export type RecordsAnswer = z.infer<typeof RecordsAnswer>
