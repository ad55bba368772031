import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  axisText,
  changeText,
  countText,
  errorText,
  rateFigure,
  rateText,
  samplingText,
  scaled,
  shareText,
  totalText,
} from './units.ts'

test('a rate is scaled by thousands and keeps three digits', () => {
  assert.equal(rateText('bytes', 1_234_000_000), '1.23 Gbit/s')
  assert.equal(rateText('bytes', 937_400_000), '937 Mbit/s')
  assert.equal(rateText('bytes', 14_040_000_000, 4), '14.04 Gbit/s')
  assert.equal(rateText('packets', 2_310_000), '2.31 M p/s')
  assert.equal(rateText('flows', 12), '12 f/s')
  assert.equal(rateText('bytes', 0), '0 bit/s')
  assert.equal(rateText('bytes', null), '–')
})

test('a value that rounds up to a thousand takes the next prefix', () => {
  assert.deepEqual(scaled(999_960), { value: '1.00', prefix: 'M' })
  assert.deepEqual(scaled(999_400), { value: '999', prefix: 'k' })
  assert.deepEqual(rateFigure('bytes', 0.25), { value: '0.25', unit: 'bit/s' })
})

test('a sign stays with the number', () => assert.deepEqual(scaled(-1500), { value: '−1.50', prefix: 'k' }))

test('totals, counts and axis labels are short', () => {
  assert.equal(totalText('bytes', 3_317e9), '3.32 TB')
  assert.equal(totalText('packets', 950), '950')
  assert.equal(countText(412_000), '412,000')
  assert.equal(countText(41_200_000), '41.2 M')
  assert.equal(axisText(5e9), '5 G')
  assert.equal(axisText(2.5e6), '2.5 M')
  assert.equal(axisText(0), '0')
})

test('a share too small to show says so', () => {
  assert.equal(shareText(0.266), '26.6 %')
  assert.equal(shareText(0.0002), '< 0.1 %')
  assert.equal(shareText(0), '0.0 %')
  assert.equal(shareText(0.41, 0), '41 %')
})

test('an interval is said beside its value, and its absence too', () => {
  assert.equal(errorText(1000, 996, 1004), '± 0.4 %')
  assert.equal(errorText(1000, 1000, 1000), 'exact')
  assert.equal(errorText(0, 0, 0), '–')
})

test('sampling rates are told in words', () => {
  assert.equal(samplingText([1]), 'every packet')
  assert.equal(samplingText([]), '')
  assert.equal(samplingText([400]), '1 in 400')
  assert.equal(samplingText([256, 1000]), '1 in 256–1,000')
  assert.equal(samplingText([1, 400]), 'up to 1 in 400')
})

test('a change has its sign, and a great one is a factor', () => {
  assert.equal(changeText(0.085), '+8.5 %')
  assert.equal(changeText(-0.033), '−3.3 %')
  assert.equal(changeText(0.0001), '±0.0 %')
  assert.equal(changeText(1.5), '+150 %')
  assert.equal(changeText(11), '×12')
  assert.equal(changeText(-1), '−100 %')
})
