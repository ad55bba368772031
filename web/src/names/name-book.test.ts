import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NamesAnswer, NamesQuestion } from '../../../src/api/contract/names.ts'
import { createNameBook } from './name-book.ts'

const EMPTY: NamesAnswer = { addresses: {}, macs: {}, services: {}, as: {}, pending: 0 }

/** A book whose time stands still until `run`, and what it asked. */
function bookOf(answers: readonly Partial<NamesAnswer>[]) {
  const asked: NamesQuestion[] = []
  const work: (() => void)[] = []
  const book = createNameBook({
    ask: (question) => {
      asked.push(question)
      return Promise.resolve({ ...EMPTY, ...answers[asked.length - 1] })
    },
    later: (what) => work.push(what),
  })
  const run = async () => {
    for (const one of work.splice(0)) one()
    await new Promise(setImmediate)
  }
  return { book, asked, run }
}

test('what is wanted at once is asked for together, and once', async () => {
  const { book, asked, run } = bookOf([{ services: { '443/tcp': { name: 'https', describe: '' } }, as: { 1: 'One' } }])
  assert.equal(book.get('services', '443/tcp'), undefined)
  book.get('services', '443/tcp')
  book.get('as', '1')
  let told = 0
  book.subscribe(() => told++)
  await run()
  assert.deepEqual(asked, [{ addresses: [], macs: [], services: ['443/tcp'], as: [1] }])
  assert.equal(book.get('services', '443/tcp')?.name, 'https')
  assert.equal(book.get('as', '1'), 'One')
  assert.equal(told, 1)
  await run()
  assert.equal(asked.length, 1)
})

test('an address that is still being looked up is asked for again, a few times', async () => {
  const pending = { addresses: { '192.0.2.1': { country: 'CH' } }, pending: 1 }
  const { book, asked, run } = bookOf([pending, { addresses: { '192.0.2.1': { name: 'a.example' } } }])
  book.get('addresses', '192.0.2.1')
  await run()
  assert.equal(book.get('addresses', '192.0.2.1')?.country, 'CH')
  await run()
  assert.equal(book.get('addresses', '192.0.2.1')?.name, 'a.example')
  assert.equal(asked.length, 2)

  const never = bookOf(Array.from({ length: 10 }, () => ({ pending: 1 })))
  never.book.get('addresses', '192.0.2.2')
  for (let i = 0; i < 10; i++) await never.run()
  assert.equal(never.asked.length, 4)
})

test('a server that does not answer leaves values without names until they are shown again', async () => {
  const work: (() => void)[] = []
  const book = createNameBook({ ask: () => Promise.reject(new TypeError('away')), later: (what) => work.push(what) })
  book.get('macs', '00:00:5e:00:53:01')
  for (const one of work.splice(0)) one()
  await new Promise(setImmediate)
  assert.equal(book.get('macs', '00:00:5e:00:53:01'), undefined)
  assert.equal(work.length, 1, 'it is asked for again')
})
