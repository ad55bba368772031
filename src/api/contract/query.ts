import { z } from 'zod'

// What is asked and answered over HTTP, shared by the routes and the console. Browser-safe: imports zod alone.

export const Metric = z.enum(['bytes', 'packets', 'flows'])
export type Metric = z.infer<typeof Metric>

const Moment = z.union([z.string(), z.number()]).describe('ISO 8601, or milliseconds since 1970')

export const Question = z.object({
  from: Moment,
  to: Moment,
  filter: z.string().max(10_000).optional().describe('as `vnetscope query` takes it; empty for all'),
  by: z
    .array(z.string().max(100))
    .max(64)
    .optional()
    .describe('dimensions, at most 8 (see GET /api/v1/columns); for flows the columns to list'),
  metric: Metric.optional().describe('what the order is by; bytes unless given'),
  order: z
    .enum(['received', 'start', 'end', 'duration', 'bytes', 'packets', 'pps', 'bps', 'bpp'])
    .optional()
    .describe('of a list of flows: the newest received first unless given; start and end ascend, the others descend'),
  limit: z.number().int().min(1).max(10_000).optional(),
  step: z.number().min(1).optional().describe('seconds in a time bucket; chosen for about 120 points unless given'),
  timeoutMs: z.number().int().min(100).max(600_000).optional(),
  uncounted: z.boolean().optional().describe('also sum rows whose packets another observation point counts'),
  id: z.string().max(100).optional().describe('a name by which DELETE /api/v1/query/{id} cancels it'),
})
export type Question = z.infer<typeof Question>

export const KeyValue = z.union([z.string(), z.number(), z.boolean(), z.null()])
export type KeyValue = z.infer<typeof KeyValue>

export const Row = z.object({
  key: z.record(z.string(), KeyValue),
  bytes: z.number(),
  packets: z.number(),
  flows: z.number(),
  low: z.number().describe('lower end of the 95 % interval that sampling leaves for the metric'),
  high: z.number(),
})
export type Row = z.infer<typeof Row>

/** From where an answer came. */
export const Provenance = {
  source: z.string().describe('the table it was read from'),
  rowsRead: z.number(),
  tookMs: z.number(),
  samplingRates: z.array(z.number()).describe('the sampling rates met, ascending; [1] if nothing was sampled'),
}

export const TopAnswer = z.object({
  columns: z.array(z.string()),
  rows: z.array(Row),
  other: Row.optional().describe('what is not in the rows, as one; absent if nothing'),
  groups: z.number().describe('how many groups there are in all'),
  total: Row,
  ...Provenance,
})
export type TopAnswer = z.infer<typeof TopAnswer>

export const SeriesAnswer = z.object({
  columns: z.array(z.string()),
  from: z.number(),
  to: z.number(),
  step: z.number().describe('seconds'),
  times: z.array(z.number()).describe('start of each bucket, milliseconds'),
  series: z.array(
    z.object({
      key: z.record(z.string(), KeyValue).describe('empty for "other"'),
      other: z.boolean(),
      values: z.array(z.number().nullable()).describe('the metric a second in each bucket (bytes: bits a second)'),
      low: z.array(z.number().nullable()),
      high: z.array(z.number().nullable()),
      total: Row,
    }),
  ),
  total: Row,
  ...Provenance,
})
export type SeriesAnswer = z.infer<typeof SeriesAnswer>

export const FlowsAnswer = z.object({
  columns: z.array(z.object({ name: z.string(), label: z.string(), format: z.string() })),
  rows: z
    .array(z.array(KeyValue))
    .describe(
      'newest first unless another order is asked for; addresses and MACs as text, bytes and packets as observed',
    ),
  more: z.boolean(),
  ...Provenance,
})
export type FlowsAnswer = z.infer<typeof FlowsAnswer>

export const MatrixAnswer = z.object({
  columns: z.array(z.string()).describe('the 2 to 5 dimensions, left to right'),
  links: z.array(Row),
  other: Row.optional(),
  total: Row,
  ...Provenance,
})
export type MatrixAnswer = z.infer<typeof MatrixAnswer>

export const Problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  detail: z.string().optional(),
  code: z.string().optional().describe('stable name of what failed, for programs'),
  position: z.number().optional().describe('character in the filter'),
  length: z.number().optional().describe('characters that are wrong, from the position on'),
  expected: z.string().optional(),
  hint: z.string().optional(),
})
export type Problem = z.infer<typeof Problem>

export const FilterCheck = z.union([
  z.object({ ok: z.literal(true), canonical: z.string().describe('the filter as it is written at its plainest') }),
  z.object({
    ok: z.literal(false),
    message: z.string(),
    position: z.number().describe('first character that is wrong'),
    length: z.number(),
    expected: z.array(z.string()),
    hint: z.string().optional(),
  }),
])
export type FilterCheck = z.infer<typeof FilterCheck>

export const ValuesAnswer = z.object({ column: z.string(), values: z.array(KeyValue) })
export type ValuesAnswer = z.infer<typeof ValuesAnswer>
