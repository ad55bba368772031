import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { createApi, type ApiDeps } from '../api/api.ts'
import type { UserError } from '../base/errors.ts'
import { createAsk } from '../query/ask.ts'
import { createFollow, type Shown } from '../query/follow.ts'
import { createFollowers, type Followers } from '../query/followers.ts'
import { insertRows } from '../query/query.fixture.ts'
import { createRoller } from '../store/roller.ts'
import { NAMES, smallNetwork } from '../store/roller.fixture.ts'
import { createPlace, startStore, type Place } from '../store/store.fixture.ts'
import type { EmbeddedStore } from '../store/embedded.ts'
import { parseFilter } from '../query/filter/parse.ts'
import { withCaret } from './query-caret.ts'
import { filesIn } from './query-source.ts'
import { scaled } from './query-text.ts'
import { readKeys, readSpan, readStat, readWindow } from './query-words.ts'

const T = Date.now() - 600_000
const bin = fileURLToPath(new URL('../../bin/vnetscope', import.meta.url))
const run = promisify(execFile)

let place: Place
let store: EmbeddedStore
let api: FastifyInstance
let url: string
/** Of a server, on the thread through which flows come. */
let followers: Followers
const takers = new Map<number, (shown: Shown) => void>()

before(async () => {
  place = await createPlace()
  store = await startStore(place.data)
  await insertRows(store, [
    {
      time_received: T,
      src_addr: '10.0.0.1',
      dst_addr: '10.0.0.2',
      proto: 6,
      src_port: 50_000,
      dst_port: 443,
      src_vm: 'web\u001b[31m',
      bytes: 1500,
      packets: 1,
      sampling_rate: 400,
      in_if: 3,
    },
    {
      time_received: T + 1000,
      src_addr: '10.0.0.2',
      dst_addr: '10.0.0.1',
      proto: 17,
      src_port: 53,
      dst_port: 5353,
      bytes: 100,
      packets: 1,
    },
  ])
  await store.execute(
    `INSERT INTO metrics (time, source, observation, entity, metric, value) SELECT now64(3), toIPv6('::ffff:192.0.2.1'), 0, 'if:3', 'if_counters.if_speed', 100000`,
  )
  const ask = createAsk({}, { store, clock: { now: Date.now } })
  followers = createFollowers(
    {},
    { clock: { now: Date.now }, send: (id, rows, missed) => takers.get(id)?.({ rows, missed }) },
  )
  const follow = createFollow(
    {
      follow(condition, columns, take) {
        const id = takers.size
        takers.set(id, take)
        followers.add(id, condition, columns)
        return { taken: (rows) => followers.taken(id, rows), end: () => followers.remove(id) }
      },
    },
    {},
  )
  api = await createApi({}, {
    ask,
    follow,
    health: () => ({}),
    exporters: () => ({}),
    inventory: () => ({}),
    metricsText: async () => '',
  } as unknown as ApiDeps)
  url = await api.listen({ port: 0, host: '127.0.0.1' })
})
after(async () => {
  await api.close()
  await store.stop()
  await place.remove()
})

async function query(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  try {
    const { stdout, stderr } = await run(bin, ['query', ...args])
    return { code: 0, stdout, stderr }
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string }
    return { code, stdout, stderr }
  }
}

test('a statistic in nfdump’s words comes as aligned lines, with its interval and its total', async () => {
  const { code, stdout, stderr } = await query('--url', url, '-s', 'srcip/bytes', '-n', '1', 'ipv4')
  assert.equal(code, 0, stderr)
  const lines = stdout.split('\n')
  assert.match(lines[0] as string, /^Top 1 of 2 by bytes, 20.* to .* UTC$/)
  assert.match(lines[2] as string, /^10\.0\.0\.1 +1 +50\.0 % +400 +99\.8 % +600 k +100\.0 % .* … /)
  assert.match(lines[3] as string, /^other \(1\) +1 .* exact$/)
  assert.match(lines[4] as string, /^total +2 /)
  assert.match(lines[5] as string, /rows of flows read in \d+ ms; sampled 1 in 400, some not at all$/)
})

test('titles and rates are of the window of time that is asked for; where nothing was, the total is 0', async () => {
  const second = (time: number): string => new Date(time).toISOString().slice(0, 19)
  const start = Math.floor(T / 1000) * 1000
  const [first, last] = [start - 60_000, start + 60_000].map((t) => second(t).replaceAll('-', '/').replace('T', '.'))
  const window = await query('--url', url, '-t', `${first}-${last}`, '-A', 'none', '-N', '--from', '-1h')
  const titled = (text: string): string => text.replace('T', ' ')
  assert.equal(
    window.stdout.split('\n')[0],
    `Total, ${titled(second(start - 60_000))} to ${titled(second(start + 60_000))} UTC`,
  )
  // 600,100 bytes in two minutes.
  assert.match(window.stdout, /600100 +100\.0 % +40007 /)
  // What is wrong is said before files are read.
  const wrong = await query('-r', '/dev/zero', '--columns', 'src_adr')
  assert.match(wrong.stderr, /“src_adr” is not a column of a flow\n {2}did you mean src_addr/)
  // What would be left out of account is refused.
  for (const [asked, said] of [
    [['-s', 'srcip', '-O', 'bytes'], /-s srcip\/bytes/],
    [['-b', '--unit', 'l3'], /--unit l2 and l3 are of sums/],
    [['-s', 'srcip/bps', '--unit', 'l2'], /--unit l2 and l3 are of sums/],
    [['-o', 'line', '--columns', 'bytes'], /--columns chooses those of a list/],
  ] as const)
    assert.match((await query('--url', url, ...asked)).stderr, said)
  const none = await query('--url', url, '-A', 'none', 'port 1')
  assert.match(none.stdout, /\n +0 +0 +0 +0 +exact\n/)
})

test('flows are listed without one, and no name can write to the terminal', async () => {
  const { stdout, stderr } = await query('--url', url, 'proto', 'tcp')
  assert.equal(stderr, '')
  assert.match(stdout, /10\.0\.0\.1 +50000 +10\.0\.0\.2 +443/)
  assert.match(stdout, /web\?\[31m/)
  assert.ok(!stdout.includes('\u001b'))
})

test('answers come as JSON, CSV and Parquet', async () => {
  const json = JSON.parse((await query('--url', url, '-A', 'srcip,dstport', '-o', 'json')).stdout) as {
    columns: string[]
    rows: unknown[]
  }
  assert.deepEqual([json.columns, json.rows.length], [['src_addr', 'dst_port'], 2])
  assert.match(
    (await query('--url', url, '-s', 'proto/packets', '-o', 'csv')).stdout,
    /^proto,bytes,packets,flows,low,high\r\ntcp,600000,400,1,/,
  )
  assert.match((await query('--url', url, '-a', '-o', 'parquet')).stdout, /^PAR1/)
})

test('lists come in nfdump’s formats, with its tags or with any column', async () => {
  const [titles, flow, ...rest] = (await query('--url', url, '-o', 'long', 'proto tcp')).stdout.split('\n')
  assert.match(
    titles as string,
    /^Date first seen +Duration Proto +Src IP Addr:Port -> Dst IP Addr:Port Flags +Tos Packets Bytes Flows$/,
  )
  assert.match(
    flow as string,
    /^20\S+ \S+ 00:00:00\.000 TCP +10\.0\.0\.1:50000 -> 10\.0\.0\.2:443 +\.{8} +0 +1 +1500 +1$/,
  )
  assert.match(
    rest[0] as string,
    /^Summary: total flows: 1, total bytes: 600000, total packets: 400, avg bps: 0, avg pps: 0, avg bpp: 1500$/,
  )
  assert.match(rest[1] as string, /^Time window: 20.* - 20.*$/)
  assert.match(rest[2] as string, /^Total flows processed: \d+, passed: 1, Source: flows$/)
  assert.match(
    (await query('--url', url, '-o', 'extended', 'proto tcp')).stdout,
    /Packets Bytes pps bps {2}Bpp Flows\n/,
  )
  const format = await query('--url', url, '-q', '-o', 'fmt:%pr %sap|%svm %sampling_rate, %byt', '-O', 'bytes')
  assert.deepEqual(format.stdout.split('\n'), [
    'TCP 10.0.0.1:50000|web?[31m 400, 1500',
    'UDP    10.0.0.2:53|–          1,  100',
    '',
  ])
  assert.match((await query('-o', 'fmt:%sap %svmm')).stderr, /%svmm is not a tag.*\n {2}did you mean %svm/)
  assert.match((await query('-o', 'fmt:only text')).stderr, /needs tags/)
  assert.match((await query('-o', 'fmt:%byt', '-s', 'ip')).stderr, /-o fmt:%byt is for flows and records/)
  const raw = await query('--url', url, '-o', 'raw', '-q', '--columns', 'src_addr,src_vm,src_country,bytes')
  assert.equal(raw.stdout.split('\n\n').length, 2)
  assert.match(
    raw.stdout,
    /\nFlow Record:\n {2}src_addr +=[ ]10\.0\.0\.1\n {2}src_vm +=[ ]web\?\[31m\n {2}bytes +=[ ]1500\n/,
  )
})

test('records are put together by the keys of -A, and one by one or both ways, as nfdump has it', async () => {
  const keyed = await query('--url', url, '-s', 'record/bytes', '-A', 'srcip,dstip', '-o', 'line', '-n', '1')
  assert.match(
    keyed.stdout,
    /^Top 1 flows ordered by bytes:\nDate first seen +Duration Src IP Addr Dst IP Addr Packets/,
  )
  const both = await query('--url', url, '-s', 'record/flows', '-b', '-q')
  assert.match(both.stdout, /10\.0\.0\.1:50000 <-> 10\.0\.0\.2:443/)
  assert.match(
    (await query('-s', 'srcip', '-a')).stderr,
    /-s STAT does not count\n {2}leave them out, or say -s record/,
  )
  assert.match((await query('-w', 'out')).stderr, /^vnetscope: -w writes a file of nfdump/)
})

test('lists come in the order asked for, as many as asked for, one object a line where asked for', async () => {
  const listed = async (...words: string[]): Promise<number[]> =>
    (await query('--url', url, '-o', 'ndjson', ...words)).stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { bytes: number }).bytes)
  assert.deepEqual(await listed(), [100, 1500])
  assert.deepEqual(await listed('-O', 'tstart'), [1500, 100])
  assert.deepEqual(await listed('-O', 'bytes', '-c', '1'), [1500])
  assert.deepEqual(await listed('-O', 'bpp'), [1500, 100])
  assert.match((await query('-O', 'colour')).stderr, /not an order of a list\n {2}it is one of tstart/)
})

test('lists come whole, however many flows there are', async () => {
  const whole = ['--url', url, '-n', '0', '-o']
  const { stdout } = await query(...whole, 'csv')
  assert.deepEqual(
    stdout.split('\r\n').map((line) => line.split(',')[9]),
    ['src_addr', '10.0.0.1', '10.0.0.2', undefined],
  )
  const objects = (await query(...whole, 'ndjson')).stdout.trim().split('\n')
  assert.deepEqual(
    objects.map((line) => (JSON.parse(line) as { bytes: number }).bytes),
    [1500, 100],
  )
  assert.match((await query(...whole, 'parquet')).stdout, /^PAR1/)
  assert.match((await query('--url', url, '-n', '10001')).stderr, /at most 10000 rows\n {2}more flows come as ndjson/)
})

test('columns, different values and all traffic as one can be asked for', async () => {
  const columns = await query('--url', url, '--columns', 'src_vm,bytes', '-o', 'csv')
  assert.equal(columns.stdout, 'src_vm,bytes\r\n,100\r\nweb\u001b[31m,1500\r\n')
  const scans = (await query('--url', url, '-A', 'srcip', '--distinct', 'dstip,dstport')).stdout.split('\n')
  assert.match(scans[0] as string, /^Top 2 of 2 by different dst_addr, /)
  assert.match(scans[1] as string, /^src_addr +dst_addr +dst_port +flows +packets +bytes$/)
  assert.match(scans[2] as string, /^10\.0\.0\.\d +1 .* +1 /)
  assert.match((await query('--url', url, '--distinct', 'dstip')).stderr, /groups of -A\n {2}for example/)
  const total = (await query('--url', url, '-A', 'none', '--unit', 'l3', '--rough', '-N')).stdout.split('\n')
  assert.match(total[0] as string, /^Total, /)
  assert.match(total[2] as string, /^ *2 +100\.0 % +401 +100\.0 % /)
})

test('statistics of interfaces say how full each was, where somebody has told its speed', async () => {
  const asked = ['--url', url, '--unit', 'share', '-s', 'router,inif']
  const { stdout, stderr } = await query(...asked)
  const lines = stdout.split('\n')
  assert.match(lines[1] as string, /bit\/s +of link +link bit\/s +95 % of bytes$/, stderr)
  // 1500 bytes of a frame, 400 times, in an hour, of 100 kbit/s
  assert.match(lines[2] as string, /^192\.0\.2\.1 +3 .* 1\.33 k +1\.3 % +100 k /)
  assert.match(lines[3] as string, /^192\.0\.2\.1 +0 .* – +– +exact$/)
  assert.match((await query(...asked, '-o', 'csv')).stdout, /,share,speed\r\n192\.0\.2\.1,3,600000,.*,100000\r\n/)
  assert.match(
    (await query(...asked, '-o', 'line')).stderr,
    /as a table or for programs\n {2}for example -s router,inif/,
  )
  assert.match((await query('--url', url, '--unit', 'share', '-A', 'router,inif', '-O', 'flows')).stderr, /is of bytes/)
})

test('flows are listed as they come, as a table and for programs, until so many came', async () => {
  const followed = async (...more: string[]): ReturnType<typeof query> => {
    const asked = takers.size
    const answer = query('--url', url, '--follow', '-n', '3', 'proto tcp and src vm web-1', ...more)
    while (takers.size === asked) await setTimeout(10)
    followers.offer(smallNetwork(1, 500, T, T + 1000), NAMES)
    return answer
  }
  const table = await followed()
  const lines = table.stdout.split('\n')
  assert.match(lines[0] as string, /^Received +exporter +.* Src IP Addr:Port -> /, table.stderr)
  assert.equal(lines.length, 5)
  assert.match(lines[1] as string, /^20\S+ \S+ +192\.0\.0\.[01] +10[01] TCP +10\.0\.\d+\.\d+:\d+ +-> .* web-1 /)
  const rows = (await followed('-o', 'csv', '--columns', 'src_vm,proto')).stdout
  assert.equal(rows, `src_vm,proto\r\n${'web-1,tcp\r\n'.repeat(3)}`)
  const objects = (await followed('-o', 'ndjson', '--columns', 'vlan_in')).stdout.trim().split('\n')
  assert.match(objects.join(), /^\{"vlan_in":10[01]\},\{"vlan_in":10[01]\},\{"vlan_in":10[01]\}$/)
  const raw = (await followed('-o', 'raw', '--columns', 'src_vm,proto')).stdout
  assert.equal(raw, '\nFlow Record:\n  src_vm = web-1\n  proto  = tcp\n'.repeat(3))
  const wrong = await query('--url', url, '--follow', 'src prt 1')
  assert.match(wrong.stderr, /“prt” is not a word.*\n {2}src prt 1\n {6}\^\^\^/)
  assert.match((await query('--url', url, '--follow', '-s', 'srcip')).stderr, /-s does not go with it/)
})

test('a filter is read from a file, and what is given beside it must hold too', async () => {
  const file = `${place.dir}/web.filter`
  await writeFile(file, '# the web\nport 443 or port 53 # and names')
  assert.match((await query('--url', url, '-f', file, '-s', 'proto/bytes')).stdout, /^Top 2 of 2/)
  assert.match((await query('--url', url, '-f', file, '-s', 'proto/bytes', 'proto udp')).stdout, /^Top 1 of 1/)
  assert.match((await query('-f', `${place.dir}/none`)).stderr, /can't be read/)
})

test('-Z reads the filter alone, and a window of time does not move the caret', async () => {
  const read = await query('-Z', 'PROTO 6  and (src  port in [80,443])')
  assert.deepEqual([read.code, read.stdout], [0, 'proto tcp and src port in [80, 443]\n'])
  const named = await query('--url', url, '-t', '2026/03/01', 'any and exporter nowhere')
  assert.match(named.stderr, /\n {2}any and exporter nowhere\n {10}\^{16}\n/)
})

test('a mistake in the filter is shown with a caret; wrong usage is status 2, all else 1', async () => {
  const filter = await query('src prt 80')
  assert.deepEqual(
    [filter.code, filter.stderr],
    [1, 'vnetscope: “prt” is not a word of the filter language\n  src prt 80\n      ^^^\n  did you mean “port”?\n'],
  )
  assert.equal((await query('-o', 'xml')).code, 2)
  assert.equal((await query('-n', 'many')).code, 2)
  const dimension = await query('--url', url, '-s', 'srcipp')
  assert.deepEqual([dimension.code, dimension.stderr.split('\n')[0]], [1, 'vnetscope: “srcipp” is not a dimension'])
  const away = await query('--url', 'http://127.0.0.1:1')
  assert.equal(away.code, 1)
  assert.match(away.stderr, /no server answers at http:\/\/127\.0\.0\.1:1\n {2}start one/)
  assert.match((await query('--data', place.dir)).stderr, /in use|data directory/)
  assert.match((await query('--data', `${place.dir}/none`)).stderr, /there is no store in/)
})

test('the caret stands under the character, also in filters of several lines', () => {
  const text = 'any and\n\tsrc prt 80 # x'
  const result = parseFilter(text)
  assert.ok(!result.ok)
  assert.equal(
    withCaret(text, result.problem),
    '“prt” is not a word of the filter language\n   src prt 80 # x\n       ^^^',
  )
})

test('words, spans and figures are read and written as nfdump does', () => {
  assert.deepEqual(readStat('port:p/packets/bps'), { word: 'port', by: ['proto', 'port'], orders: ['packets', 'bps'] })
  assert.deepEqual(readStat('srcip'), { word: 'srcip', by: ['src_addr'], orders: ['flows'] })
  assert.deepEqual(readStat('record/bytes').by, ['proto', 'src_addr', 'src_port', 'dst_addr', 'dst_port'])
  assert.throws(() => readStat('srcip/colour'), /not an order/)
  assert.deepEqual(readKeys('srcip4/24, dstip6/48,proto,srcvm'), ['src_net', 'dst_net', 'proto', 'src_vm'])
  assert.deepEqual(readKeys('srcip4/16,dstip6/64'), ['src_net4/16', 'dst_net6/64'])
  assert.deepEqual(readKeys('none'), [])
  assert.throws(() => readKeys('srcip4/33'), /at most 32 bits/)
  assert.throws(() => readKeys('srcip/16'), /which addresses/)
  assert.throws(() => readStat('nbar'), /not recorded/)
  assert.throws(
    () => readStat('srcipp'),
    (error: UserError) => error.hint === 'did you mean srcip?',
  )
  assert.deepEqual(
    ['90s', '1.5h', '2w', '1h30m'].map((text) => readSpan(text)),
    [90_000, 5_400_000, 1_209_600_000, 5_400_000],
  )
  for (const wrong of ['soon', '', '0s', '1h 30', '5', '1h-2m']) assert.throws(() => readSpan(wrong), /span/)
  assert.deepEqual(readWindow('2026/03/01.14:00:00-2026/03/01.15'), {
    from: Date.UTC(2026, 2, 1, 14),
    to: Date.UTC(2026, 2, 1, 15),
  })
  assert.deepEqual(readWindow('2026/03'), { from: Date.UTC(2026, 2, 1) })
  assert.deepEqual(readWindow('-10'), { seconds: -10 })
  for (const wrong of ['2026/02/31', '2026/3/1.25', 'now', '2026-2025', '1-2-3'])
    assert.throws(() => readWindow(wrong), /-t /)
  assert.deepEqual([0, 7, 999, 999.7, 1234, 99_949, 1_234_567, 5e18].map(scaled), [
    '0',
    '7',
    '999',
    '1.00 k',
    '1.23 k',
    '99.9 k',
    '1.23 M',
    '5.00 E',
  ])
})

test('the data directory of a server that is stopped is asked without it, its rollups included', async () => {
  const own = await createPlace()
  // As a server lays it out.
  const stopped = await startStore(`${own.dir}/store`)
  const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000 - 4 * 3_600_000
  await stopped.execute(
    `INSERT INTO flows (time_received, src_addr, proto, src_port, bytes, packets, sampling_rate, counted) SELECT fromUnixTimestamp64Milli(${hour} + number * 700, 'UTC'), toIPv6('10.0.0.1'), 6, 50000 + number % 2, 100, 1, 1, true FROM numbers(400)`,
  )
  const roller = createRoller({ fewestFlows: 1, worth: 1 }, { store: stopped, clock: { now: Date.now } })
  await roller.run()
  await stopped.stop()
  const range = { from: hour, to: hour + 3_600_000 }
  const source = await filesIn(own.dir)
  try {
    const { total, source: from } = await source.top({ ...range, by: ['proto'] })
    assert.deepEqual([total.bytes, total.flows], [40_000, 400])
    assert.match(from, /_hour/)
    const records = await source.records({ ...range, by: ['src_port'] })
    assert.deepEqual(
      records.rows.map(({ flows, bytes }) => [flows, bytes]),
      [
        [200, 20_000],
        [200, 20_000],
      ],
    )
  } finally {
    await source.close()
  }
  await own.remove()
})
