import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NAMES, smallNetwork } from '../store/roller.fixture.ts'
import type { KeyValue } from './dimensions.ts'
import { conditionOf } from './filter/condition.ts'
import { parsedFilter } from './filter/parse.ts'
import { createFollow, type FlowSource, type Shown } from './follow.ts'
import { createFollowers } from './followers.ts'

const T = Date.UTC(2026, 2, 1)
const clock = { now: () => T }
const condition = (text: string): ReturnType<typeof conditionOf> => conditionOf(parsedFilter(text))

test('each follower gets the rows that its filter finds, as a list of flows has them', () => {
  const batch = smallNetwork(1, 400, T, T + 1000)
  const got = new Map<number, KeyValue[][]>()
  const followers = createFollowers({}, { clock, send: (id, rows) => void got.set(id, rows) })
  followers.add(1, condition('vlan 100 and src vm web-1'), ['time_received', 'vlan_in', 'src_vm', 'proto', 'counted'])
  followers.add(2, condition('proto udp'), ['proto', 'src_addr', 'tcp_flags', 'protocol'])
  followers.add(3, condition('port 1'), ['bytes'])
  followers.offer(batch, NAMES)
  const of = (id: number): KeyValue[][] => got.get(id) ?? []
  const web = Array.from({ length: batch.n }, (_, i) => i).filter(
    (i) => batch.vlan_in[i] === 100 && NAMES[batch.src_vm[i] as number] === 'web-1',
  )
  assert.ok(web.length > 10)
  assert.deepEqual(
    of(1).map((row) => [row[1], row[2], row[3], row[4]]),
    web.map((i) => [100, 'web-1', batch.proto[i] === 6 ? 'tcp' : 'udp', batch.counted[i] === 1]),
  )
  assert.ok(of(1).every(([time]) => Number(time) >= T && Number(time) < T + 1000))
  assert.deepEqual(new Set(of(2).map(([proto]) => proto)), new Set(['udp']))
  assert.match(String(of(2)[0]?.[1]), /^10\.0\.\d+\.\d+$/)
  assert.deepEqual(of(3), [])
})

test('no more rows are shown than are taken or are good for a second, and what is left out is counted', () => {
  let now = T
  const sent: [rows: number, missed: number][] = []
  const followers = createFollowers(
    { rowsPerSecond: 100, rowsAhead: 150 },
    { clock: { now: () => now }, send: (_id, rows, missed) => sent.push([rows.length, missed]) },
  )
  followers.add(7, condition('any'), ['bytes'])
  const batch = smallNetwork(1, 60, T, T + 1000)
  for (let i = 0; i < 3; i++) followers.offer(batch, NAMES)
  now += 1000
  followers.offer(batch, NAMES)
  now += 1000
  followers.offer(batch, NAMES)
  followers.taken(7, 150)
  followers.offer(batch, NAMES)
  followers.remove(7)
  followers.offer(batch, NAMES)
  assert.deepEqual(sent, [
    [60, 0],
    [40, 20],
    [50, 70],
    [60, 60],
  ])
  assert.equal(
    sent.reduce((sum, [rows, missed]) => sum + rows + missed, 0),
    6 * 60,
  )
})

test('who follows ends with the connection, and what it has taken is told', async () => {
  let take: (shown: Shown) => void = () => undefined
  const told: unknown[] = []
  const source: FlowSource = {
    follow(asked, columns, into) {
      take = into
      told.push([asked, columns])
      return { taken: (rows) => told.push(rows), end: () => told.push('end') }
    },
  }
  const controller = new AbortController()
  const { columns, shown } = createFollow(source, {})({ filter: 'vlan 1', by: ['bytes'] }, controller.signal)
  assert.deepEqual(
    columns.map(({ name }) => name),
    ['bytes'],
  )
  const each = shown[Symbol.asyncIterator]()
  assert.deepEqual((await each.next()).value, { rows: [], missed: 0 })
  take({ rows: [[1], [2]], missed: 3 })
  assert.deepEqual((await each.next()).value, { rows: [[1], [2]], missed: 3 })
  const next = each.next()
  controller.abort()
  assert.equal((await next).done, true)
  assert.deepEqual(told, [[condition('vlan 1'), ['bytes']], 2, 'end'])
})
