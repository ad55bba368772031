import { z } from 'zod'

// What is asked and answered over HTTP, shared by the routes and the console. Browser-safe: imports zod alone.

export const Metric = z.enum(['bytes', 'packets', 'flows'])
export type Metric = z.infer<typeof Metric>

export const Moment = z.union([z.string(), z.number()]).describe('ISO 8601, or milliseconds since 1970')

export const Question = z.object({
  from: Moment,
  to: Moment,
  filter: z.string().max(200_000).optional().describe('as `vnetscope query` takes it; empty for all'),
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
  unit: z
    .enum(['observed', 'l2', 'l3', 'share'])
    .optional()
    .describe(
      'what bytes are: as the exporters count them (unless given), frames, IP packets; share also divides by the speed of the interface (top and series, by exporter and in_if or out_if)',
    ),
  previous: z
    .number()
    .min(1)
    .max(20 * 366 * 86_400_000)
    .optional()
    .describe('of top and series: also answers the same span so many milliseconds before'),
  exact: z
    .boolean()
    .optional()
    .describe(
      'true unless given; false allows rare addresses, service ports and autonomous systems of long ranges to be counted with the rest, which is faster',
    ),
  atMostSeconds: z
    .number()
    .positive()
    .max(3600)
    .optional()
    .describe('is not run if it is expected to take longer: then the problem query_long says what it would cost'),
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
  share: z
    .object({ value: z.number(), low: z.number(), high: z.number() })
    .nullable()
    .optional()
    .describe('of unit share: bits a second as a part of the speed of the interface; null if that is not known'),
  speed: z.number().nullable().optional().describe('of unit share: of the interface, bits a second'),
})
export type Row = z.infer<typeof Row>

const Listed = {
  source: z.string().describe('the tables it was read from, the coarsest first: “flows”, or “traffic_hour, flows”'),
  rowsRead: z
    .number()
    .describe('rows of these tables that were looked at; what several statements of an answer look at counts once'),
  tookMs: z.number(),
  samplingRates: z.array(z.number()).describe('the sampling rates met, ascending; [1] if nothing was sampled'),
}

/** From where an answer came. */
export const Provenance = {
  ...Listed,
  read: z
    .array(z.object({ table: z.string(), describe: z.string(), from: z.number(), to: z.number() }))
    .describe('the pieces of the range, and the table that each was read from'),
  unit: z
    .object({
      bytes: z.enum(['l2', 'l3', 'mixed']).describe('mixed: frames where sFlow told of them, IP packets elsewhere'),
      estimated: z.boolean().describe('some rows were converted, by the header that an Ethernet frame has'),
      describe: z.string(),
    })
    .describe('what the bytes of this answer count'),
  notes: z.array(z.string()).describe('what one has to know of it: what was rounded, is bounded, or is no longer kept'),
}

export const TopAnswer = z.object({
  columns: z.array(z.string()),
  rows: z.array(Row),
  other: Row.optional().describe('what is not in the rows, as one; absent if nothing'),
  groups: z.number().describe('how many groups there are in all'),
  total: Row,
  previous: z
    .object({ from: z.number(), to: z.number(), rows: z.array(Row), other: Row.optional(), total: Row })
    .optional()
    .describe('the same groups in the same order, as they were before'),
  ...Provenance,
})
export type TopAnswer = z.infer<typeof TopAnswer>

const Values = z.array(z.number().nullable())
const Drawn = {
  values: Values.describe('the metric a second in each bucket (bytes: bits a second; unit share: a part of the speed)'),
  low: Values,
  high: Values,
  total: Row,
}

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
      ...Drawn,
      p95: z
        .object({ value: z.number(), low: z.number(), high: z.number() })
        .nullable()
        .optional()
        .describe('the 95th percentile of the known values, by nearest rank; traffic is billed so, with a step of 300'),
      speed: z.number().nullable().optional().describe('of unit share: of the interface, bits a second'),
    }),
  ),
  groups: z.number().describe('how many groups there are in all'),
  total: Row,
  previous: z
    .object({ from: z.number(), to: z.number(), series: z.array(z.object(Drawn)), total: Row })
    .optional()
    .describe('the same lines in the same order as they were before, index by index beside those of now'),
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
  ...Listed,
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
