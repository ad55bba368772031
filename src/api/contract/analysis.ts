import { z } from 'zod'
import { KeyValue, Provenance, Question } from './query.ts'

// Questions beyond sums by group: who touches how many, who talks with whom, what it is in all, what an answer costs.

const Ranged = z.object({ value: z.number(), low: z.number(), high: z.number() })

const Measures = z.object({
  bytes: z.number(),
  packets: z.number(),
  flows: z.number(),
  low: z.number().describe('lower end of the 95 % interval that sampling leaves for the metric'),
  high: z.number(),
})
export type Measures = z.infer<typeof Measures>

export const DistinctQuestion = Question.extend({
  of: z
    .array(z.string().max(100))
    .min(1)
    .max(4)
    .describe(
      'dimensions whose different values are counted; a dimension of two sides (ip, vm, …) counts the other end',
    ),
  orderBy: z
    .string()
    .max(100)
    .optional()
    .describe('one of “of”: the greatest number first; the first of them unless given'),
}).omit({ order: true, step: true, previous: true })
export type DistinctQuestion = z.infer<typeof DistinctQuestion>

export const DistinctAnswer = z.object({
  columns: z.array(z.string()),
  of: z.array(z.string()),
  rows: z.array(
    Measures.extend({
      key: z.record(z.string(), KeyValue),
      distinct: z
        .record(z.string(), Ranged)
        .describe(
          'value: how many were seen, exactly; low: the same; high: how many there may have been where sampling missed some, by Chao’s estimate, if all are about equally frequent (of far rarer ones there may be more)',
        ),
    }),
  ),
  groups: z.number(),
  total: Measures,
  ...Provenance,
})
export type DistinctAnswer = z.infer<typeof DistinctAnswer>

export const ConversationsAnswer = z.object({
  ends: z.array(z.string()).describe('dimensions of two sides, which make the ends'),
  shared: z.array(z.string()).describe('the other dimensions, which are the same in both directions'),
  rows: z.array(
    z.object({
      a: z.record(z.string(), KeyValue).describe('the end that sent more of the metric'),
      b: z.record(z.string(), KeyValue),
      key: z.record(z.string(), KeyValue).describe('values of the shared dimensions'),
      forth: Measures.describe('from a to b'),
      back: Measures.describe('from b to a'),
      both: Measures,
    }),
  ),
  other: Measures.optional(),
  groups: z.number(),
  total: Measures,
  ...Provenance,
})
export type ConversationsAnswer = z.infer<typeof ConversationsAnswer>

const Total = z.object({
  value: z.number(),
  low: z.number(),
  high: z.number(),
  perSecond: z.number().describe('mean over the range; of bytes in bits'),
})

export const TotalsAnswer = z.object({
  from: z.number(),
  to: z.number(),
  bytes: Total,
  packets: Total,
  flows: Total,
  bytesPerPacket: z.number(),
  ...Provenance,
})
export type TotalsAnswer = z.infer<typeof TotalsAnswer>

export const CostQuestion = Question.extend({
  kind: z.enum(['top', 'series', 'matrix', 'flows', 'distinct', 'conversations', 'totals']).default('top'),
  of: z.array(z.string().max(100)).max(4).optional(),
})
export type CostQuestion = z.infer<typeof CostQuestion>

export const CostAnswer = z.object({
  rows: z.number().describe('rows that have to be looked at'),
  bytes: z.number().describe('of the columns that are read, uncompressed'),
  seconds: z.number().describe('expected, from how fast such questions were answered here'),
  long: z.boolean().describe('more than 5 s are expected'),
  measured: z.boolean().describe('false as long as no such question was answered since the server started'),
  source: z.string(),
  text: z.string().describe('the same as a sentence'),
})
export type CostAnswer = z.infer<typeof CostAnswer>
