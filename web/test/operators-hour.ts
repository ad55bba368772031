// What an operator does in Explore on an ordinary day, as one story: a peak is seen, narrowed down, held against the time before,
// followed to its flows, saved for a colleague, and taken along as a file, a command and an API call that give the same answer.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Locator, Page } from 'playwright-core'
import type { FlowsAnswer, SeriesAnswer, TopAnswer } from '../../src/api/contract/query.ts'
import type { Health } from '../../src/api/contract/system.ts'
import { ROOT, WAIT } from './console.fixture.ts'

const shell = promisify(execFile)
const MOST_OUTPUT = 64 * 1024 * 1024

const searchOf = (page: Page) => new URL(page.url()).searchParams
const rowsOf = (page: Page, table: string) => page.getByRole('table', { name: table, exact: true }).locator('tbody tr')
const chipsOf = (page: Page) => page.getByRole('list', { name: 'Group by' }).getByRole('listitem')

async function hasSearch(page: Page, name: string, value: string | null): Promise<void> {
  await page.waitForURL((url) => url.searchParams.get(name) === value)
}

/** Does `act` and gives the answer to the question of this kind, with this in it, that follows. */
async function answerTo<T>(page: Page, kind: string, part: string, act: () => Promise<unknown>): Promise<T> {
  const [response] = await Promise.all([
    page.waitForResponse(
      (one) =>
        new URL(one.url()).pathname === `/api/v1/query/${kind}` &&
        (one.request().postData() ?? '').includes(part) &&
        one.ok(),
    ),
    act(),
  ])
  return (await response.json()) as T
}

/** Runs a line as it was copied; the command is the one of this tree. */
async function runLine(line: string): Promise<string> {
  const own = line.replace(/^vnetscope /, `'${join(ROOT, 'bin/vnetscope')}' `)
  const { stdout } = await shell('sh', ['-c', own], { maxBuffer: MOST_OUTPUT })
  return stdout
}

async function shownCode(page: Page, label: string): Promise<string> {
  await page.getByRole('button', { name: label, exact: true }).click()
  const code = await page.getByRole('group', { name: label }).locator('pre').textContent()
  await page.keyboard.press('Escape')
  await page.getByRole('group', { name: label }).waitFor({ state: 'detached' })
  return code ?? ''
}

const HOUR = 3_600_000
const MOST_WAITING = 20_000

/** Figures are compared with those of later questions: the demo's past must be all there. */
export async function hasPast(url: string): Promise<void> {
  for (let whole = false; !whole; await setTimeout(500)) {
    const { now, store, ledger } = (await (await fetch(`${url}/api/v1/health`)).json()) as Health
    whole = store.oldest !== null && now - store.oldest > 5.9 * HOUR && ledger.flows.waiting < MOST_WAITING
  }
}

export async function operatorsHour(page: Page, url: string): Promise<void> {
  await hasPast(url)
  await asks(page)
  await groups(page)
  await draws(page)
  const series = await zooms(page)
  await takesAlong(page, series)
  await narrows(page)
  await listsFlows(page)
  await shares(page, url)
}

/** From the overview into Explore; a filter is typed with what is offered, and what is wrong in it is shown where it is. */
async function asks(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'Open in Explore' }).first().click()
  await page.waitForURL((at) => at.pathname === '/explore')
  await rowsOf(page, 'Groups').nth(2).waitFor()
  const editor = page.getByRole('textbox', { name: 'Filter' })
  const offered = page.locator('.cm-tooltip-autocomplete')
  await editor.click()
  await page.keyboard.type('src vm stor-gw')
  await offered.getByText('stor-gw-1', { exact: true }).waitFor()
  await page.keyboard.press('Tab')
  await editor.getByText(/stor-gw-\d/).waitFor()
  await page.keyboard.type(' and dst prt 2049')
  await page.getByText(/character \d+/).waitFor()
  for (let i = 0; i < 'prt 2049'.length; i++) await page.keyboard.press('Backspace')
  await page.keyboard.type('port != 22')
  await page.getByText(/character \d+/).waitFor({ state: 'detached' })
  await page.keyboard.press('Control+Enter')
  await page.waitForURL((at) => /^src vm stor-gw-\d and dst port != 22$/.test(at.searchParams.get('filter') ?? ''))
  await page.goBack()
  await hasSearch(page, 'filter', null)
}

/** Groups are added, put into another order by keyboard and by dragging, and taken away. */
async function groups(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'dimension', exact: true }).click()
  await page.getByRole('textbox', { name: 'Find a dimension' }).fill('src host')
  await page.keyboard.press('Enter')
  await hasSearch(page, 'by', 'vlan,src_host')
  await page.getByRole('button', { name: 'dimension', exact: true }).click()
  await page.getByRole('textbox', { name: 'Find a dimension' }).fill('dst_host')
  await page.keyboard.press('Enter')
  await hasSearch(page, 'by', 'vlan,src_host,dst_host')
  await chipsOf(page).nth(2).focus()
  await page.keyboard.press('Alt+ArrowLeft')
  await hasSearch(page, 'by', 'vlan,dst_host,src_host')
  await chipsOf(page).nth(2).dragTo(chipsOf(page).nth(1))
  await hasSearch(page, 'by', 'vlan,src_host,dst_host')
  await chipsOf(page).first().focus()
  await page.keyboard.press('Delete')
  await hasSearch(page, 'by', 'src_host,dst_host')
}

/** Every picture of the same question. */
async function draws(page: Page): Promise<void> {
  const picture = page.getByRole('region', { name: 'Picture' })
  for (const [name, chart] of [
    ['Lines', 'lines'],
    ['Heat', 'heat'],
    ['Sankey', 'sankey'],
    ['Stacked', null],
  ] as const) {
    await page.getByRole('radio', { name, exact: true }).click()
    await hasSearch(page, 'chart', chart)
    await picture.locator('canvas').first().waitFor()
    await picture.getByRole('img', { name: wordsOf(name) }).waitFor()
    await rowsOf(page, 'Groups').nth(3).waitFor()
  }
  const below = await page.locator('section', { has: page.getByRole('table', { name: 'Groups' }) }).boundingBox()
  assert.equal(below?.width, (await picture.boundingBox())?.width, 'the table is as wide as the picture')
}

function wordsOf(chart: string): RegExp {
  return { Lines: /^Lines over time/, Heat: /^Heat map/, Sankey: /^Flows from/, Stacked: /^Stacked/ }[chart] ?? /./
}

/** A peak is brushed, and held against the time before it. */
async function zooms(page: Page): Promise<SeriesAnswer> {
  const chart = page.getByRole('region', { name: 'Picture' }).locator('.chart')
  const box = await chart.boundingBox()
  assert.ok(box)
  await page.mouse.move(box.x + box.width * 0.55, box.y + 90)
  await page.mouse.down()
  await page.mouse.move(box.x + box.width * 0.75, box.y + 110, { steps: 6 })
  await page.mouse.up()
  await page.waitForURL((at) => at.searchParams.has('from') && at.searchParams.has('to'))
  await page.getByRole('button', { name: /^vs / }).click()
  const answer = await answerTo<SeriesAnswer>(page, 'series', '"previous"', () =>
    page.getByRole('menuitem', { name: 'previous period' }).click(),
  )
  await hasSearch(page, 'versus', 'before')
  assert.ok(answer.previous && answer.previous.to <= answer.from, 'the earlier time ends where this one begins')
  await page.getByRole('columnheader', { name: 'Δ before' }).waitFor()
  await rowsOf(page, 'Groups')
    .getByText(/^[+−±×].*\d|^new$/)
    .first()
    .waitFor()
  await page.getByText('the total before').waitFor()
  return answer
}

/** As a command, as an API call and as files: each has the figures of the page. */
async function takesAlong(page: Page, series: SeriesAnswer): Promise<void> {
  const named = series.series.filter((one) => !one.other)
  const want = named.map((one) => [one.key, one.total.bytes, one.total.packets, one.total.flows])

  const command = JSON.parse(await runLine(`${await shownCode(page, 'as a command')} -o json`)) as TopAnswer
  assert.deepEqual(
    command.rows.map((row) => [row.key, row.bytes, row.packets, row.flows]),
    want,
  )
  // Sums of fractions differ in their last digits with the order in which they are added.
  assert.deepEqual(rounded(command.total), rounded(series.total))

  const call = JSON.parse(await runLine(await shownCode(page, 'as an API call'))) as SeriesAnswer
  assert.deepEqual(rounded(call.series), rounded(series.series))
  assert.deepEqual(rounded(call.previous), rounded(series.previous))

  const csv = readFileSync(await saved(page, /^All groups/, 'CSV'), 'utf8').split('\r\n')
  assert.deepEqual(csv[0], 'src_host,dst_host,bytes,packets,flows,low,high')
  assert.equal(csv[1], [...Object.values(want[0]?.[0] ?? {}), ...csv[1]!.split(',').slice(2)].join(','))
  assert.equal(Number(csv[1]?.split(',')[2]), want[0]?.[1])
  assert.equal(csv.length - 2, command.groups, 'all groups, not only those shown')
  const json = JSON.parse(readFileSync(await saved(page, /^The points/, 'JSON'), 'utf8')) as SeriesAnswer
  assert.deepEqual(rounded(json.series), rounded(series.series))
  const parquet = readFileSync(await saved(page, /^All groups/, 'Parquet'))
  assert.equal(parquet.subarray(0, 4).toString() + parquet.subarray(-4).toString(), 'PAR1PAR1')
}

/** The same with its numbers to nine digits. */
function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, part: unknown) =>
    typeof part === 'number' ? Number(part.toPrecision(9)) : part,
  )
}

/** Saves what the section of the export menu offers, and gives the file. */
async function saved(page: Page, section: RegExp, format: string): Promise<string> {
  await page.getByRole('button', { name: 'Export' }).click()
  const item = page.getByRole('group', { name: section }).getByRole('menuitem', { name: format, exact: true })
  const [download] = await Promise.all([page.waitForEvent('download'), item.click()])
  return download.path()
}

/** By the menu of the picture and by the buttons of the table; the browser's back undoes each. */
async function narrows(page: Page): Promise<void> {
  const first = rowsOf(page, 'Groups').first()
  const cell = first.locator('td').first()
  const name = (await cell.getByRole('link').textContent()) ?? ''
  await cell.hover()
  await cell.getByRole('button', { name: `Without ${name}` }).click()
  await hasSearch(page, 'filter', `not src host ${name}`)
  await page.goBack()
  await hasSearch(page, 'filter', null)
  await first.focus()
  await page.keyboard.press('Delete')
  await page.waitForURL((at) => /^not \(src host .* and dst host .*\)$/.test(at.searchParams.get('filter') ?? ''))
  await page.goBack()
  await hasSearch(page, 'filter', null)

  const chart = page.getByRole('region', { name: 'Picture' }).locator('.chart')
  await rowsOf(page, 'Groups').nth(3).waitFor()
  const box = await chart.boundingBox()
  assert.ok(box)
  // Just above the axis lies the first band of the stack.
  await page.mouse.click(box.x + box.width / 2, box.y + box.height - 28)
  await page.getByRole('menuitem', { name: 'Only this' }).waitFor()
  await page.getByRole('menuitem', { name: 'List its flows' }).click()
  await hasSearch(page, 'chart', 'flows')
  assert.match(searchOf(page).get('filter') ?? '', /^src host \S+ and dst host \S+$/)
}

/** The flows behind it: their columns chosen, in another order, one looked at closely. */
async function listsFlows(page: Page): Promise<void> {
  const rows = rowsOf(page, 'Flows')
  await rows.nth(3).waitFor()
  await page.getByRole('button', { name: 'Columns' }).click()
  const columns = page.getByRole('group', { name: 'Columns', exact: true })
  await columns.getByRole('button', { name: 'The usual' }).waitFor()
  await columns.getByRole('textbox', { name: 'Find a column' }).fill('hop limit')
  await columns.getByRole('checkbox', { name: /^TTL/ }).check()
  await page.waitForURL((at) => (at.searchParams.get('columns') ?? '').endsWith(',ttl'))
  await page.keyboard.press('Escape')
  const head = (name: string): Locator => page.getByRole('columnheader', { name, exact: true })
  await head('TTL').waitFor()
  const largest = await answerTo<FlowsAnswer>(page, 'flows', '"order"', () => head('bytes').getByRole('button').click())
  await hasSearch(page, 'sort', '-bytes')
  const at = largest.columns.findIndex((column) => column.name === 'bytes')
  const bytes = largest.rows.map((row) => Number(row[at]))
  assert.deepEqual(
    bytes,
    [...bytes].sort((a, b) => b - a),
  )

  const listed = JSON.parse(await runLine(`${await shownCode(page, 'as a command')} -o json`)) as FlowsAnswer
  const listedAt = listed.columns.findIndex((column) => column.name === 'bytes')
  assert.deepEqual(
    listed.rows.map((row) => row[listedAt]),
    bytes,
  )

  await rows.first().focus()
  await page.keyboard.press('Enter')
  const drawer = page.getByRole('dialog', { name: 'Flow' })
  await drawer.getByText('When and where seen').waitFor()
  const received = drawer.locator('dt', { hasText: /^received$/ }).locator('xpath=following-sibling::dd[1]')
  assert.match((await received.textContent()) ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}$/)
  await page.keyboard.press('ArrowDown')
  await page.waitForFunction(() => document.querySelectorAll('tr[aria-selected="true"] + tr').length === 1)
  await drawer.getByRole('button', { name: /more that tell nothing/ }).click()
  await drawer.getByText('MPLS label').waitFor()
  await page.keyboard.press('Escape')
  await drawer.waitFor({ state: 'detached' })
}

/** What was found is saved for a colleague, who opens it elsewhere; a filter is saved and used in another. */
async function shares(page: Page, url: string): Promise<void> {
  const name = 'the peak and its flows'
  await page.getByRole('button', { name: 'Saved' }).click()
  await page.getByRole('textbox', { name: 'Name for this view' }).fill(name)
  await page.keyboard.press('Enter')
  await page.getByRole('list', { name: 'Saved views' }).getByText(name).waitFor()
  await page.getByRole('radio', { name: 'Filters', exact: true }).click()
  await page.getByRole('textbox', { name: 'Name for this filter' }).fill('peak')
  await page.keyboard.press('Enter')
  await page.getByRole('list', { name: 'Saved filters' }).getByText('peak', { exact: true }).waitFor()

  const colleague = await page.context().browser()?.newPage()
  assert.ok(colleague)
  colleague.setDefaultTimeout(WAIT)
  await colleague.goto(`${url}/explore?by=locality`)
  await colleague.getByRole('button', { name: 'Saved' }).click()
  await colleague.getByRole('list', { name: 'Saved views' }).getByText(name).click()
  await hasSearch(colleague, 'chart', 'flows')
  assert.deepEqual([...searchOf(colleague)].sort(), [...searchOf(page)].sort(), 'the same question, to the letter')
  await rowsOf(colleague, 'Flows').nth(3).waitFor()

  const editor = colleague.getByRole('textbox', { name: 'Filter' })
  await colleague.goto(`${url}/explore?by=src_vm`)
  await editor.click()
  await colleague.keyboard.type('proto tcp and @pe')
  await colleague.locator('.cm-tooltip-autocomplete').getByText('@peak', { exact: true }).waitFor()
  await colleague.keyboard.press('Tab')
  await editor.getByText('@peak').waitFor()
  await colleague.keyboard.press('Control+Enter')
  await hasSearch(colleague, 'filter', 'proto tcp and @peak')
  await rowsOf(colleague, 'Groups').first().waitFor()

  await colleague.getByRole('button', { name: 'Saved' }).click()
  await colleague.getByRole('button', { name: `Remove ${name}` }).click()
  await colleague.getByText('None is saved yet.').waitFor()
  await colleague.close()
}
