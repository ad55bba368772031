import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DEFAULT_VIEW } from '../../url/search.ts'
import { canShare, limitOf, measureOf, viewOf } from './asked.ts'

test('a share of the link is asked as bytes of that unit', () => {
  assert.deepEqual(measureOf({ metric: 'share', unit: 'observed' }), { metric: 'bytes', unit: 'share' })
  assert.deepEqual(measureOf({ metric: 'packets', unit: 'observed' }), { metric: 'packets' })
  assert.deepEqual(measureOf({ metric: 'bytes', unit: 'l3' }), { metric: 'bytes', unit: 'l3' })
  assert.ok(canShare(['exporter', 'out_if']))
  assert.ok(!canShare(['exporter', 'vlan']))
})

test('a heat map has more rows than a stack has layers', () => {
  assert.equal(limitOf(DEFAULT_VIEW), 7)
  assert.equal(limitOf({ ...DEFAULT_VIEW, chart: 'heat' }), 20)
  assert.equal(limitOf({ ...DEFAULT_VIEW, chart: 'heat', top: 50 }), 50)
})

test('an answer that still stands keeps the unit it was asked in', () => {
  const view = { ...DEFAULT_VIEW, metric: 'packets', versus: 'day' } as const
  assert.equal(viewOf(view, undefined), view)
  const shown = viewOf(view, { metric: 'bytes', unit: 'share', versus: 'none' })
  assert.deepEqual([shown.metric, shown.versus], ['share', 'none'])
  assert.equal(viewOf(view, { metric: 'flows', unit: undefined, versus: 'none' }).metric, 'flows')
})
