import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open } from 'node:fs/promises'
import { parseIp, parseMac } from '../base/address.ts'
import { OperatorError } from '../base/errors.ts'
import { TUNNELS } from '../flow/columns.ts'
import type { FlowBatch } from '../flow/flow-batch.ts'
import { flagBits } from '../query/filter/names.ts'
import type { RowWriter } from './row-writer.ts'

// nfdump's own files → rows, by way of nfdump: its JSON tells more of a record than its other outputs, and to the
// millisecond. A record that counts both directions becomes a row each way.

// nffile.h: magic 0xA50C in the byte order of the machine that wrote it
const MAGIC = 0xa50c

/** True for files of nfcapd, nfpcapd, sfcapd and `nfdump -w`. */
export async function isNfdumpFile(file: string): Promise<boolean> {
  const handle = await open(file, 'r')
  try {
    const { bytesRead, buffer } = await handle.read(new Uint8Array(2), 0, 2, 0)
    const view = new DataView(buffer.buffer)
    return bytesRead === 2 && (view.getUint16(0) === MAGIC || view.getUint16(0, true) === MAGIC)
  } finally {
    await handle.close()
  }
}

/** A record as nfdump tells it: texts and numbers as they stand there. Filled anew for each. */
type Fields = Map<string, string>

const LONGEST_WORDS = 2000

/** Reads a file; answers how many records it had. Rejects with an OperatorError if nfdump is missing or fails. */
export async function readNfdumpFile(file: string, writer: RowWriter): Promise<number> {
  // nfdump writes times of the local zone, without saying which.
  const child = spawn('nfdump', ['-C', 'none', '-G', 'none', '-r', file, '-o', 'json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TZ: 'UTC' },
  })
  let words = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (words = (words + text).slice(-LONGEST_WORDS)))
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  failed.catch(() => undefined)
  const ended = once(child, 'close') as Promise<[number | null]>
  let records = 0
  try {
    await Promise.race([once(child, 'spawn'), failed])
    const fields: Fields = new Map()
    let rest = ''
    for await (const piece of child.stdout.setEncoding('latin1') as AsyncIterable<string>) {
      const text = rest + piece
      let from = 0
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
        const first = text.charCodeAt(from)
        if (first === BRACE) fields.clear()
        else if (first === BRACE_END) {
          records++
          write(fields, writer)
        } else readField(text, from, end, fields)
        from = end + 1
      }
      rest = text.slice(from)
      if (writer.isFull()) await writer.settle()
    }
    const [status] = await ended
    if (status !== 0) throw nfdumpFailed(file, words)
  } catch (error) {
    child.kill()
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new OperatorError('nfdump_missing', `${file} is a file of nfdump, which is not installed`, {
        cause: error,
        hint: 'install the Debian package nfdump',
      })
    throw error
  }
  if (records === 0 && /error|corrupt|unknown|incompat/i.test(words)) throw nfdumpFailed(file, words)
  return records
}

function nfdumpFailed(file: string, words: string): OperatorError {
  const last = words.trim().split('\n').at(-1) ?? ''
  return new OperatorError('nfdump_failed', `nfdump can't read ${file}${last === '' ? '' : `: ${last}`}`)
}

const BRACE = 0x7b
const BRACE_END = 0x7d
const QUOTE = 0x22
const COMMA = 0x2c

/** `\t"key" : value,` from `start` to `end`. */
function readField(text: string, start: number, end: number, fields: Fields): void {
  if (text.charCodeAt(start + 1) !== QUOTE) return
  const key = text.indexOf('"', start + 2)
  if (key < 0 || key + 4 > end) return
  const last = text.charCodeAt(end - 1) === COMMA ? end - 1 : end
  const value = key + 4
  const quoted = text.charCodeAt(value) === QUOTE
  fields.set(text.slice(start + 2, key), quoted ? text.slice(value + 1, last - 1) : text.slice(value, last))
}

function write(fields: Fields, writer: RowWriter): void {
  const { sink } = writer
  const back = numberIn(fields, 'out_packets') > 0 || numberIn(fields, 'out_bytes') > 0
  sink.room(back ? 2 : 1)
  fill(fields, sink.flows, sink.flows.n++, false)
  if (back) fill(fields, sink.flows, sink.flows.n++, true)
}

/** One direction of a record: all that the columns have a place for. */
function fill(fields: Fields, batch: FlowBatch, row: number, reverse: boolean): void {
  const number = (key: string): number => numberIn(fields, key)
  const [src, dst] = reverse ? (['dst', 'src'] as const) : (['src', 'dst'] as const)
  const first = timeIn(fields, 'first') || timeIn(fields, 't_event')
  set64(batch.time_received, row, timeIn(fields, 'received') || timeIn(fields, 'last'))
  set64(batch.time_start, row, first)
  set64(batch.time_end, row, Math.max(timeIn(fields, 'last'), first))
  setIp(batch.exporter, row, fields.get('ip4_router') ?? fields.get('ip6_router'))
  setIp(batch.src_addr, row, fields.get(`${src}4_addr`) ?? fields.get(`${src}6_addr`))
  setIp(batch.dst_addr, row, fields.get(`${dst}4_addr`) ?? fields.get(`${dst}6_addr`))
  setIp(batch.next_hop, row, reverse ? undefined : (fields.get('ip4_next_hop') ?? fields.get('ip6_next_hop')))
  batch.ethertype[row] = fields.has('src4_addr') ? 0x0800 : fields.has('src6_addr') ? 0x86dd : 0
  batch.proto[row] = number('proto')
  batch.src_port[row] = number(`${src}_port`)
  batch.dst_port[row] = number(`${dst}_port`)
  batch.icmp_type[row] = number('icmp_type')
  batch.icmp_code[row] = number('icmp_code')
  batch.tcp_flags[row] = flagBits((fields.get('tcp_flags') ?? '').replaceAll('.', '')) ?? hexFlags(fields)
  batch.tos[row] = reverse ? number('dst_tos') : number('src_tos')
  batch.in_if[row] = number(reverse ? 'output_snmp' : 'input_snmp')
  batch.out_if[row] = number(reverse ? 'input_snmp' : 'output_snmp')
  batch.src_mask[row] = number(`${src}_mask`)
  batch.dst_mask[row] = number(`${dst}_mask`)
  batch.src_as[row] = number(`${src}_as`)
  batch.dst_as[row] = number(`${dst}_as`)
  batch.vlan_in[row] = number(`${src}_vlan`)
  batch.vlan_out[row] = number(`${dst}_vlan`)
  setMac(batch[`${src}_mac`], row, given(fields, 'in_src_mac') ?? given(fields, 'out_src_mac'))
  setMac(batch[`${dst}_mac`], row, given(fields, 'in_dst_mac') ?? given(fields, 'out_dst_mac'))
  batch.forwarding_status[row] = number('fwd_status')
  batch.direction[row] = fields.has('direction') ? ((number('direction') === 0) === !reverse ? 1 : 2) : 0
  batch.observation[row] = number('observationDoaminID') || number('observationDomainID')
  batch.mpls_label[row] = Number.parseInt(fields.get('mpls_1') ?? '0', 10) || 0
  setIp(batch.tunnel_src, row, fields.get(`${src}4_tun_ip`) ?? fields.get(`${src}6_tun_ip`))
  setIp(batch.tunnel_dst, row, fields.get(`${dst}4_tun_ip`) ?? fields.get(`${dst}6_tun_ip`))
  batch.tunnel[row] = fields.has('tun proto') ? tunnelOf(number('tun proto')) : 0
  set64(batch.packets, row, number(reverse ? 'out_packets' : 'in_packets'))
  set64(batch.bytes, row, number(reverse ? 'out_bytes' : 'in_bytes'))
  // nfdump's files hold figures that its collectors have scaled already.
  batch.sampling_rate[row] = 1
  batch.counted[row] = 1
}

function numberIn(fields: Fields, key: string): number {
  return Number(fields.get(key) ?? 0) || 0
}

/** Flags of more than eight bits, which nfdump writes as a number. */
function hexFlags(fields: Fields): number {
  return Number(fields.get('tcp_flags') ?? 0) || 0
}

/** `2026-11-22T06:45:12.889` in UTC → milliseconds. */
function timeIn(fields: Fields, key: string): number {
  const text = fields.get(key)
  if (text === undefined) return 0
  const digits = (from: number, count: number): number => {
    let value = 0
    for (let i = from; i < from + count; i++) value = 10 * value + text.charCodeAt(i) - 48
    return value
  }
  // Of fixed form: to have it parsed as any date costs as much as all else of a record.
  const at = Date.UTC(digits(0, 4), digits(5, 2) - 1, digits(8, 2), digits(11, 2), digits(14, 2), digits(17, 2))
  return Math.max(0, at + digits(20, 3)) || 0
}

/** A MAC address that is one: nfdump writes zeros for what it doesn't know. */
function given(fields: Fields, key: string): string | undefined {
  const text = fields.get(key)
  return text === '00:00:00:00:00:00' ? undefined : text
}

const TUNNEL_BY_PROTOCOL: Readonly<Record<number, string>> = { 4: 'ipip', 41: '6in4', 47: 'gre' }
const tunnelNumbers = new Map(Object.entries(TUNNELS).map(([number, name]) => [name as string, Number(number)]))

function tunnelOf(protocol: number): number {
  return tunnelNumbers.get(TUNNEL_BY_PROTOCOL[protocol] ?? 'other') ?? 0
}

function set64(words: Uint32Array, row: number, value: number): void {
  words[2 * row] = value % 2 ** 32
  words[2 * row + 1] = Math.floor(value / 2 ** 32)
}

function setMac(words: Uint32Array, row: number, text: string | undefined): void {
  const mac = text === undefined ? undefined : parseMac(text)
  if (mac !== undefined) set64(words, row, mac)
}

function setIp(words: Uint32Array, row: number, text: string | undefined): void {
  const bytes = text === undefined ? undefined : parseIp(text)
  if (bytes) words.set(new Uint32Array(bytes.slice().buffer), 4 * row)
}
