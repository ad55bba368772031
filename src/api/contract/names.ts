import { z } from 'zod'

// POST /api/v1/names. Browser-safe: imports zod alone.

const MOST = 1000

export const NamesQuestion = z.object({
  addresses: z.array(z.string().max(64)).max(MOST).optional().describe('IP addresses'),
  macs: z.array(z.string().max(32)).max(MOST).optional().describe('MAC addresses'),
  services: z.array(z.string().max(32)).max(MOST).optional().describe('ports with their protocol, such as 443/tcp'),
  as: z.array(z.number().int().min(0)).max(MOST).optional().describe('autonomous systems'),
})
export type NamesQuestion = z.infer<typeof NamesQuestion>

export const AddressNames = z.object({
  name: z.string().optional().describe('of reverse DNS; absent if there is none, or none is known yet'),
  country: z.string().optional().describe('two letters (ISO 3166)'),
  as: z.number().optional(),
  asName: z.string().optional(),
})
export type AddressNames = z.infer<typeof AddressNames>

/** Each by what was asked; what nothing is known of is absent. */
export const NamesAnswer = z.object({
  addresses: z.record(z.string(), AddressNames),
  macs: z.record(z.string(), z.string()).describe('who was given the block (IEEE)'),
  services: z.record(z.string(), z.object({ name: z.string(), describe: z.string() })).describe('names of IANA'),
  as: z.record(z.string(), z.string()).describe('organisations'),
  pending: z
    .number()
    .describe('addresses of the question whose names are being looked up: ask again in a second or two'),
})
export type NamesAnswer = z.infer<typeof NamesAnswer>
