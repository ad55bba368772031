import { writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { createZstdDecompress } from 'node:zlib'
import { quoted } from '../../src/store/literal.ts'
import { TABLES, structureOf } from '../../src/store/schema.ts'
import type { Store } from '../../src/store/store.ts'

// A door in front of a server of ClickHouse 18.16 that speaks to it in its own words: the statements that vnetscope
// sends are of 2026. What the old server has no word for is left out or replaced by what it has:
//
//   IPv6, DateTime64, LowCardinality(String), Bool → FixedString(16), UInt64, String, UInt8, in tables and in data
//   column codecs, TTL, newer settings, MODIFY …   → left out
//   SimpleAggregateFunction(max, …)                → what it is of: nothing is put together there
//   insert_deduplication_token                     → its own checksum of the block, which is the same in a replay
//   param_…                                        → literals

const KNOWN_SETTINGS = new Set([
  'query',
  'database',
  'default_format',
  'query_id',
  'wait_end_of_query',
  'readonly',
  'max_execution_time',
  'max_memory_usage',
  'max_bytes_before_external_group_by',
  'max_bytes_before_external_sort',
  'max_query_size',
  'min_insert_block_size_rows',
  'min_insert_block_size_bytes',
  'insert_quorum',
  'skip_unavailable_shards',
  'output_format_json_quote_64bit_integers',
  'distributed_ddl_task_timeout',
])

const KNOWN_TABLE_SETTINGS = /^replicated_deduplication_window(_seconds)? = /

/** The statement in the words of 18.16; undefined if it has none for it. */
export function oldWords(sql: string, params: URLSearchParams): string | undefined {
  if (/^ALTER TABLE \w+ ON CLUSTER '\w+' MODIFY /.test(sql)) return undefined
  let old = sql
    .replace(/ CODEC\((?:[^()]|\([^()]*\))*\)/g, '')
    .replace(/\nTTL .*$/m, '')
    .replace(/LowCardinality\(String\)/g, 'String')
    .replace(/DateTime64\(3(?:, 'UTC')?\)/g, 'UInt64')
    .replace(/\bIPv6\b/g, 'FixedString(16)')
    .replace(/\bBool\b/g, 'UInt8')
    .replace(/now64\(3\)/g, 'toUInt64(now()) * 1000')
    .replace(/SimpleAggregateFunction\(max, ((?:[^()]|\([^()]*\))*)\)/g, '$1')
    .replace(/toYYYYMMDD\((\w+)\)/g, 'toYYYYMMDD(toDateTime(intDiv($1, 1000)))')
    .replace(/toYYYYMM\(time_received\)/g, 'toYYYYMM(toDateTime(intDiv(time_received, 1000)))')
    .replace(
      /toDateTime\(toStartOf(FiveMinutes|Minute)\(time_received\), 'UTC'\)/g,
      (_all, step: string) =>
        `toDateTime(${step === 'Minute' ? 'intDiv(time_received, 60000) * 60' : 'intDiv(time_received, 300000) * 300'}, 'UTC')`,
    )
    .replace(/toStartOfFiveMinutes\((\w+)\)/g, 'intDiv($1, 300000)')
    .replace(/SELECT (\d+), (toUInt64.*) WHERE \(/, 'SELECT toUInt32($1), $2 FROM system.one WHERE (')
    .replace(/\nSETTINGS (.*)$/m, (_all, list: string) => {
      const known = list.split(', ').filter((setting) => KNOWN_TABLE_SETTINGS.test(setting))
      return known.length === 0 ? '' : `\nSETTINGS ${known.join(', ')}, index_granularity = 8192`
    })
  for (const [name, value] of params) {
    if (!name.startsWith('param_')) continue
    const place = new RegExp(`\\{${name.slice(6)}:(\\w+)[^}]*\\}`, 'g')
    old = old.replace(place, (_all, type: string) =>
      type === 'Array' ? `(${value.slice(1, -1)})` : /Int/.test(type) ? value : quoted(value),
    )
  }
  return old
}

/** Native data of a table as 18.16 reads it. */
async function oldData(converter: Store, dir: string, table: string, data: Buffer): Promise<Uint8Array> {
  const definition = TABLES.find(({ name }) => table === `${name}_local`)
  if (!definition) throw new Error(`no table ${table}`)
  const file = join(dir, `${process.hrtime.bigint()}.native`)
  await writeFile(file, data)
  const columns = definition.columns.map(({ name, type }) => {
    if (type === 'IPv6') return `toFixedString(reinterpretAsString(${name}), 16) AS ${name}`
    if (type.startsWith('DateTime64')) return `toUInt64(toUnixTimestamp64Milli(${name})) AS ${name}`
    if (type.startsWith('LowCardinality')) return `CAST(${name}, 'String') AS ${name}`
    return type === 'Bool' ? `toUInt8(${name}) AS ${name}` : name
  })
  return converter.queryBytes(
    `SELECT ${columns.join(', ')} FROM file(${quoted(file)}, 'Native', ${quoted(structureOf(definition))}) SETTINGS max_threads = 1, max_block_size = 1000000`,
    'Native',
  )
}

/** Listens before a server. */
export async function openDoor(port: number, server: number, converter: Store, dir: string): Promise<Server> {
  async function pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const given = new URL(request.url ?? '/', 'http://here').searchParams
    const body =
      request.headers['content-encoding'] === 'zstd'
        ? await buffer(request.pipe(createZstdDecompress()))
        : await buffer(request)
    const asked = new URLSearchParams()
    for (const [name, value] of given) if (KNOWN_SETTINGS.has(name)) asked.set(name, value)
    const insert = /^INSERT INTO (\w+) .* FORMAT Native$/.exec(given.get('query') ?? '')
    const sql = insert ? undefined : oldWords(body.toString(), given)
    if (!insert && sql === undefined) {
      response.end()
      return
    }
    const data = insert ? await oldData(converter, dir, insert[1] as string, body) : (sql as string)
    const answer = await fetch(`http://127.0.0.1:${server}/?${asked.toString()}`, {
      method: 'POST',
      body: data as Uint8Array<ArrayBuffer> | string,
    })
    const text = Buffer.from(await answer.arrayBuffer())
    const failed = /^Code: (\d+), e\.displayText\(\) = (.*)$/s.exec(text.toString())
    if (!failed) {
      response.writeHead(answer.status)
      response.end(text)
      return
    }
    response.writeHead(500, { 'x-clickhouse-exception-code': failed[1] as string })
    response.end(`Code: ${failed[1]}. ${failed[2]}`)
  }
  const door = createServer((request, response) => {
    // The server behind it is gone: so is the door.
    pass(request, response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => door.listen(port, '127.0.0.1', resolve))
  return door
}
