// Explore while it waits, while the server is away, and where a link leads nowhere; what the hand does on the picture and the groups.
import assert from 'node:assert/strict'
import type { Locator, Page, Route } from 'playwright-core'
import type { EventsAnswer } from '../../src/api/contract/events.ts'
import { hasPast } from './operators-hour.ts'

const groupsOf = (page: Page) => page.getByRole('table', { name: 'Groups', exact: true })
const chipsOf = (page: Page) => page.getByRole('list', { name: 'Group by' }).getByRole('listitem')
const QUESTIONS = '**/api/v1/query/**'

async function hasSearch(page: Page, name: string, value: string | null): Promise<void> {
  await page.waitForURL((url) => url.searchParams.get(name) === value)
}

/** The past hour, up to a minute ago: what stands still has the same figures whenever it is asked. */
function pastHour(now: number): string {
  const iso = (ms: number) => new Date(ms).toISOString()
  const to = Math.floor(now / 60_000) * 60_000 - 60_000
  return `from=${iso(to - 3_600_000)}&to=${iso(to)}`
}

/** The figures of one question never stand in the unit of the next. */
export async function waits(page: Page, url: string): Promise<void> {
  await hasPast(url)
  await page.goto(`${url}/explore?by=vlan&${pastHour(Date.now())}`)
  await groupsOf(page).getByText('bit/s').first().waitFor()
  const held: Route[] = []
  let holding = true
  await page.route(QUESTIONS, (route) => (holding ? void held.push(route) : route.continue()))
  await page.getByRole('radio', { name: 'packets/s' }).click()
  await page.getByRole('button', { name: 'Cancel' }).waitFor()
  await page.locator('section.of-before').waitFor()
  assert.match((await groupsOf(page).textContent()) ?? '', /bit\/s/)
  assert.doesNotMatch((await groupsOf(page).textContent()) ?? '', /p\/s/)
  await page.getByRole('img', { name: /over time in bit\/s/ }).waitFor()
  holding = false
  for (const route of held) await route.continue()
  await groupsOf(page).getByText('p/s').first().waitFor()
  await page.getByRole('img', { name: /over time in packets\/s/ }).waitFor()
  assert.equal(await page.locator('.of-before').count(), 0)
  await page.unroute(QUESTIONS)
}

/** What stands still is asked again too when the server is back; until then the figures before stay. */
export async function returns(page: Page): Promise<void> {
  await page.route('**/api/**', (route) => route.abort())
  await page.getByRole('radio', { name: 'flows/s' }).click()
  await page.getByRole('region', { name: 'Picture' }).getByText('The server does not answer').waitFor()
  assert.match((await groupsOf(page).textContent()) ?? '', /p\/s/)
  await page.unroute('**/api/**')
  await groupsOf(page).getByText('f/s').first().waitFor()
  await page.getByText('The server does not answer').first().waitFor({ state: 'detached' })
}

/** A link to the last hour shows another hour tomorrow: it can be one to this hour too. */
export async function shares(page: Page, url: string): Promise<void> {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.goto(`${url}/explore?by=src_vm&last=1h`)
  const question = page.getByRole('region', { name: 'Question' })
  await question.getByRole('button', { name: 'Share' }).click()
  await page.getByRole('menuitem', { name: 'Copy a link to this time' }).click()
  await question.getByRole('button', { name: 'Link copied' }).waitFor()
  const copied = new URL(await page.evaluate(() => navigator.clipboard.readText()))
  const ends = [copied.searchParams.get('from') ?? '', copied.searchParams.get('to') ?? ''].map((text) =>
    Date.parse(text),
  )
  assert.equal((ends[1] ?? 0) - (ends[0] ?? 0), 3_600_000)
  assert.deepEqual([copied.searchParams.get('by'), copied.searchParams.has('last')], ['src_vm', false])
}

/** Each has words and a way on. */
export async function deadEnds(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/explore?by=vlan&metric=share&from=yesterday&to=today`)
  await page.getByText('The time in this address can’t be read.').waitFor()
  await page.getByRole('button', { name: 'Group by exporter and out interface' }).click()
  await hasSearch(page, 'by', 'exporter,out_if')
  await groupsOf(page)
    .getByText(/^\d.* %$/)
    .first()
    .waitFor()
  await page.getByText('shares of different links add up to nothing').waitFor()
  await page.goto(`${url}/explore?by=vm&${pastHour(Date.now())}`)
  await page.getByText('a flow counts for both of its ends').waitFor()
  await page.getByRole('img', { name: /^Lines over time/ }).waitFor()
  assert.equal(await page.getByText('95th percentile of the total').count(), 0)
  await page.goto(`${url}/explore?by=none&last=30d`)
  await page.getByText(/averages since .*, as nothing is kept of before/).waitFor()
  // Of six hours, not of thirty days.
  assert.match((await groupsOf(page).locator('tbody td').nth(1).textContent()) ?? '', /Gbit/)
}

async function take(page: Page, chip: Locator): Promise<{ readonly x: number; readonly y: number }> {
  const box = await chip.boundingBox()
  assert.ok(box)
  const from = { x: box.x + 12, y: box.y + box.height / 2 }
  await page.mouse.move(from.x, from.y)
  await page.mouse.down()
  return from
}

/** A hand moves in many small steps, and lets go where it happens to be. */
export async function drags(page: Page, url: string): Promise<void> {
  await page.goto(`${url}/explore?by=proto,src_host,locality&${pastHour(Date.now())}`)
  const names = () => chipsOf(page).allInnerTexts()
  await chipsOf(page).nth(2).waitFor()
  const end = await chipsOf(page).nth(2).boundingBox()
  assert.ok(end)
  const from = await take(page, chipsOf(page).nth(0))
  await page.mouse.move(end.x + end.width - 3, from.y, { steps: 40 })
  assert.deepEqual(await names(), ['src host', 'locality', 'protocol'])
  await page.keyboard.press('Escape')
  assert.deepEqual(await names(), ['protocol', 'src host', 'locality'], 'Escape lets it go where it was')
  await page.mouse.up()
  await hasSearch(page, 'by', 'proto,src_host,locality')
  await take(page, chipsOf(page).nth(0))
  await page.mouse.move(end.x + end.width - 3, from.y, { steps: 40 })
  await page.mouse.move(from.x, from.y + 300, { steps: 5 })
  await page.mouse.up()
  await hasSearch(page, 'by', 'src_host,locality,proto')
  assert.equal(await page.locator('.chip.moving').count(), 0)
}

/** The start of the server is a mark in the picture: it says what it is, and leads to its minutes. */
export async function marks(page: Page, url: string): Promise<void> {
  const heard = (await (await fetch(`${url}/api/v1/events`)).json()) as EventsAnswer
  const started = heard.events.find((event) => event.text.includes('started'))
  assert.ok(started, JSON.stringify(heard))
  const MINUTES = 20 * 60_000
  const from = Math.floor(started.at / 60_000) * 60_000 - MINUTES / 2
  await page.goto(
    `${url}/explore?by=vlan&from=${new Date(from).toISOString()}&to=${new Date(from + MINUTES).toISOString()}`,
  )
  const chart = page.getByRole('region', { name: 'Picture' }).locator('.chart')
  await page.locator('.picture-events').getByText(started.text).first().waitFor({ state: 'attached' })
  await chart.locator('canvas').first().waitFor()
  const box = await chart.boundingBox()
  assert.ok(box)
  const x = box.x + 44 + ((started.at - from) / MINUTES) * (box.width - 44 - 14)
  await page.mouse.click(x, box.y + 60)
  const menu = page.getByRole('menu', { name: 'What happened' })
  await menu.getByText(started.text).waitFor()
  await menu.getByRole('menuitem', { name: 'Zoom to the minutes around it' }).click()
  await page.waitForURL((at) => {
    const [begins, ends] = [at.searchParams.get('from') ?? '', at.searchParams.get('to') ?? '']
    return Date.parse(begins) === Math.round((started.at - 300_000) / 1000) * 1000 && Date.parse(ends) > started.at
  })
}
