import { fixedTemplate } from '../ipfix/template.ts'

// NetFlow v1, v5 and v7: one header and up to 30 records of fixed layout, which are read as if a template had announced them.
//
//   header (24 bytes)                                record (v5: 48 bytes)
//    0 u16 version                                    0 srcaddr   4 dstaddr   8 nexthop
//    2 u16 count                                     12 u16 input  14 u16 output
//    4 u32 sysUptime, ms                             16 u32 packets  20 u32 octets
//    8 u32 unix seconds                              24 u32 first  28 u32 last, sysUptime in ms
//   12 u32 unix nanoseconds                          32 u16 srcport  34 u16 dstport
//   16 u32 flow sequence                             36 pad  37 u8 tcp flags  38 u8 protocol  39 u8 tos
//   20 v5: u8 engine type, u8 engine id,             40 u16 src as  42 u16 dst as
//          u16 sampling (2 bits mode, 14 interval)   44 u8 src mask  45 u8 dst mask  46 u16 pad
//      v7: u32 reserved                              v7: 36 u8 flags … 46 u16 flags  48 router that was bypassed (52 bytes)

//   v1 has neither sequence nor engine: its header ends at 16. Its records have 48 bytes too, behind the ports 36 u16 pad,
//      38 u8 protocol  39 u8 tos  40 u8 tcp flags, the rest is of no use

export const NETFLOW1_HEADER = 16
export const NETFLOW5_HEADER = 24
export const MAX_RECORDS = 30

/** Stands in for the enterprise of the fields that only v7 has. */
export const NETFLOW7_ONLY = 0xffff_fffc

const COMMON = [
  [8, 4],
  [12, 4],
  [15, 4],
  [10, 2],
  [14, 2],
  [2, 4],
  [1, 4],
  [22, 4],
  [21, 4],
  [7, 2],
  [11, 2],
] as const
const TAIL = [
  [6, 1],
  [4, 1],
  [5, 1],
  [16, 2],
  [17, 2],
  [9, 1],
  [13, 1],
] as const
const PADDING = 210

export const NETFLOW1_RECORD = fixedTemplate([...COMMON, [PADDING, 2], [4, 1], [5, 1], [6, 1], [PADDING, 7]])
export const NETFLOW5_RECORD = fixedTemplate([...COMMON, [PADDING, 1], ...TAIL, [PADDING, 2]])
export const NETFLOW7_RECORD = fixedTemplate([
  ...COMMON,
  [1, 1, NETFLOW7_ONLY],
  ...TAIL,
  [2, 2, NETFLOW7_ONLY],
  [3, 4, NETFLOW7_ONLY],
])
