// The console in a real browser against a real server with the simulated data center.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { launch, ROOT, serve, stop, WAIT } from './console.fixture.ts'
import type { Running } from './console.fixture.ts'
import { deadEnds, drags, marks, returns, shares, waits } from './explore-states.ts'
import { operatorsHour } from './operators-hour.ts'

/** A NetFlow v5 datagram with one flow of 10.0.0.1 to 10.0.0.2, port 443. */
function netflow5(): Buffer {
  const datagram = Buffer.alloc(24 + 48)
  datagram.writeUInt16BE(5, 0)
  datagram.writeUInt16BE(1, 2)
  datagram.writeUInt32BE(60_000, 4)
  datagram.writeUInt32BE(Math.floor(Date.now() / 1000), 8)
  const at = 24
  datagram.set([10, 0, 0, 1, 10, 0, 0, 2], at)
  datagram.writeUInt32BE(100, at + 16)
  datagram.writeUInt32BE(150_000, at + 20)
  datagram.writeUInt32BE(50_000, at + 24)
  datagram.writeUInt32BE(59_000, at + 28)
  datagram.writeUInt16BE(40_000, at + 32)
  datagram.writeUInt16BE(443, at + 34)
  datagram.writeUInt8(6, at + 38)
  return datagram
}

const dir = mkdtempSync(join(tmpdir(), 'vnetscope-console-'))
let browser: Browser
let demo: Running | undefined

before(async () => {
  browser = await launch()
  demo = await serve(dir, '127.0.0.1:0', '--demo')
})

after(async () => {
  await browser?.close()
  await stop(demo)
  rmSync(dir, { recursive: true, force: true })
})

/** A page that fails the test if the browser reports an error of the console's own. */
async function open(path: string, options: { width?: number; colorScheme?: 'light' | 'dark' } = {}): Promise<Page> {
  assert.ok(demo)
  const width = options.width ?? 1440
  const page = await browser.newPage({
    viewport: { width, height: width < 640 ? 844 : 900 },
    colorScheme: options.colorScheme ?? 'light',
  })
  page.setDefaultTimeout(WAIT)
  page.on('pageerror', (error) => assert.fail(`${path}: ${error.stack ?? error.message}`))
  await page.goto(demo.url + path)
  return page
}

const region = (page: Page, name: string) => page.getByRole('region', { name, exact: true })

/** In the page: what stands beyond the edge of its card, where nothing scrolls or is meant to be cut. */
function sticksOut(): string[] {
  return [...document.querySelectorAll('.card *')].flatMap((element) => {
    const card = element.closest('.card') as Element
    const { right, width } = element.getBoundingClientRect()
    if (width === 0 || right <= card.getBoundingClientRect().right + 1) return []
    for (let around = element.parentElement; around && around !== card; around = around.parentElement)
      if (getComputedStyle(around).overflowX !== 'visible') return []
    return [`${element.tagName} ${element.className} ${element.textContent}`]
  })
}

describe('the console', () => {
  test('what the first page must load is under 300 kB compressed', () => {
    const html = readFileSync(join(ROOT, 'web/dist/index.html'), 'utf8')
    const scripts = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map((match) => match[1] ?? '')
    assert.ok(scripts.length > 0)
    const size = scripts.reduce((sum, path) => {
      const compressed = join(ROOT, 'web/dist', `${path}.gz`)
      return sum + statSync(existsSync(compressed) ? compressed : join(ROOT, 'web/dist', path)).size
    }, 0)
    assert.ok(size < 300_000, `${size} bytes`)
  })

  test('the overview shows how much, of what, between whom, and who exports', async () => {
    const page = await open('/')
    await page.getByText('Traffic now').waitFor()
    await page.waitForFunction(() =>
      /[\d.]+\s*[kMG]?bit\/s/.test(document.querySelector('.kpi-figure')?.textContent ?? ''),
    )
    await region(page, 'VLANs').getByRole('link', { name: '120', exact: true }).waitFor()
    await page.getByRole('table', { name: 'Busiest machines' }).getByRole('row').nth(3).waitFor()
    await page.getByRole('table', { name: 'Top conversations' }).getByRole('row').nth(3).waitFor()
    await page
      .getByRole('link', { name: /sFlow · 1 in 400/ })
      .first()
      .waitFor()
    await page.locator('canvas').nth(1).waitFor()
    await page.close()
  })

  test('every page of the rail loads with data', async () => {
    const page = await open('/')
    const rail = page.getByRole('navigation', { name: 'Pages' })
    const pages: readonly (readonly [string, string, string])[] = [
      ['Explore', 'Groups', '/explore'],
      ['Conversations', 'Pairs', '/conversations'],
      ['VLANs', 'VLANs', '/vlans'],
      ['Machines', 'Machines', '/machines'],
      ['Hosts', 'Hosts', '/hosts'],
      ['Exporters', 'Exporters', '/exporters'],
    ]
    for (const [link, table, path] of pages) {
      await rail.getByRole('link', { name: new RegExp(`^${link}`) }).click()
      await page.waitForURL((url) => url.pathname === path)
      await page.getByRole('table', { name: table, exact: true }).getByRole('row').nth(2).waitFor()
    }
    await rail.getByRole('link', { name: 'Settings' }).click()
    await page.getByText('Running for').waitFor()
    await page.close()
  })

  test('a typed filter narrows the answer, stands in the URL, and back undoes it', async () => {
    const page = await open('/explore?by=vlan')
    const rows = page.getByRole('table', { name: 'Groups' }).locator('tbody tr')
    await rows.nth(2).waitFor()
    const editor = page.getByRole('textbox', { name: 'Filter' })
    await editor.click()
    await page.keyboard.type('vlan 120 and proto tcp')
    await page.keyboard.press('Control+Enter')
    await page.waitForURL((url) => url.searchParams.get('filter') === 'vlan 120 and proto tcp')
    await page.waitForFunction(() => document.querySelectorAll('table[aria-label="Groups"] tbody tr').length === 1)
    await page.getByRole('table', { name: 'Groups' }).getByRole('link', { name: '120', exact: true }).waitFor()
    await page.goBack()
    await rows.nth(2).waitFor()
    await page.close()
  })

  test('a wrong filter is explained where it is wrong, and the words that fit are offered', async () => {
    const page = await open('/explore')
    const editor = page.getByRole('textbox', { name: 'Filter' })
    await editor.click()
    await page.keyboard.type('src prt 443')
    await page.getByText(/character 5/).waitFor()
    await page.keyboard.press('Control+A')
    await page.keyboard.type('src po')
    await page.locator('.cm-tooltip-autocomplete').getByText('port', { exact: true }).waitFor()
    await page.close()
  })

  test('a row of the table narrows the question to itself', async () => {
    const page = await open('/explore?by=src_vm')
    const row = page
      .getByRole('table', { name: 'Groups' })
      .locator('tbody tr.pick')
      .filter({ has: page.getByRole('link') })
      .first()
    const name = await row.getByRole('link').first().textContent()
    await row.focus()
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.searchParams.get('filter') === `src vm ${name}`)
    await page.close()
  })

  test('a name is followed to its page, and from there to its host', async () => {
    const page = await open('/')
    const link = page.getByRole('table', { name: 'Busiest machines' }).getByRole('link').first()
    const name = await link.textContent()
    await link.click()
    await page.getByRole('heading', { name: name ?? '', level: 1 }).waitFor()
    await page.getByRole('table', { name: 'Peers' }).getByRole('row').nth(1).waitFor()
    const host = region(page, 'What is known').locator('a[href^="/hosts/"]').first()
    const hostName = await host.textContent()
    await host.click()
    await page.getByRole('heading', { name: hostName ?? '', level: 1 }).waitFor()
    await page.getByRole('table', { name: 'Machines on the host' }).getByRole('link').first().waitFor()
    await page.close()
  })

  test('an address has a page, though it has dots', async () => {
    const page = await open('/conversations')
    const link = page.getByRole('table', { name: 'Pairs' }).locator('a[href^="/addresses/"]').first()
    const href = (await link.getAttribute('href')) ?? ''
    await page.goto(new URL(href, demo?.url).href)
    await page.getByRole('table', { name: 'Peers' }).getByRole('row').nth(1).waitFor()
    await page.close()
  })

  test('a brush over the picture zooms the time, and back undoes it', async () => {
    const page = await open('/explore?last=1h')
    const picture = page.locator('.chart').first()
    await picture.locator('canvas').first().waitFor()
    await page.getByRole('table', { name: 'Groups' }).getByRole('row').nth(2).waitFor()
    const box = await picture.boundingBox()
    assert.ok(box)
    await page.mouse.move(box.x + box.width * 0.4, box.y + 100)
    await page.mouse.down()
    await page.mouse.move(box.x + box.width * 0.6, box.y + 120, { steps: 5 })
    await page.mouse.up()
    await page.waitForURL((url) => url.searchParams.has('from') && url.searchParams.has('to'))
    const search = new URL(page.url()).searchParams
    const minutes = (Date.parse(search.get('to') ?? '') - Date.parse(search.get('from') ?? '')) / 60_000
    assert.ok(minutes > 8 && minutes < 18, `${minutes} minutes`)
    await page.goBack()
    await page.waitForURL((url) => !url.searchParams.has('from'))
    await page.close()
  })

  test('an operator’s hour: from a peak to the flows behind it, shown to a colleague and taken along', async () => {
    const page = await open('/')
    await operatorsHour(page, demo?.url ?? '')
    await page.close()
  })

  test('figures keep their unit while new ones load, and come back by themselves with the server', async () => {
    const page = await open('/explore')
    await waits(page, demo?.url ?? '')
    await returns(page)
    await page.close()
  })

  test('a share without a link, a time that can’t be read and groups of both ends say so and lead on; a link can be to this very time', async () => {
    const page = await open('/explore')
    await deadEnds(page, demo?.url ?? '')
    await shares(page, demo?.url ?? '')
    await page.close()
  })

  test('groups are dragged by the hand, and an event is clicked in the picture', async () => {
    const page = await open('/explore')
    await drags(page, demo?.url ?? '')
    await marks(page, demo?.url ?? '')
    await page.close()
  })

  test('a time can be typed in words', async () => {
    const page = await open('/explore')
    await page.getByRole('button', { name: /^Time shown/ }).click()
    await page.getByRole('textbox', { name: 'Time in words' }).fill('last 3 hours')
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.searchParams.get('last') === '3h')
    await page.getByRole('button', { name: 'Time shown: Last 3 hours' }).waitFor()
    await page.close()
  })

  test('the search finds a machine by its name with the keyboard alone', async () => {
    const page = await open('/')
    await page.getByRole('navigation', { name: 'Pages' }).waitFor()
    await page.keyboard.press('Control+K')
    await page.getByRole('combobox').fill('stor-gw')
    await page.getByRole('option', { name: /stor-gw-1/ }).waitFor()
    await page.keyboard.press('Enter')
    await page.waitForURL((url) => url.pathname === '/machines/stor-gw-1')
    await page.close()
  })

  test('dark is dark from the first paint, and can be chosen', async () => {
    const page = await open('/settings', { colorScheme: 'dark' })
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.getByText('Running for').waitFor()
    assert.equal(await background(), 'rgb(13, 17, 23)')
    await page.getByRole('radio', { name: 'Light' }).click()
    assert.equal(await background(), 'rgb(247, 248, 250)')
    await page.reload()
    await page.getByText('Running for').waitFor()
    assert.equal(await background(), 'rgb(247, 248, 250)')
    await page.close()
  })

  test('no page is wider than a telephone of 390 pixels', async () => {
    const page = await open('/', { width: 390 })
    for (const path of [
      '/',
      '/explore?by=src_vm,dst_vm',
      '/conversations',
      '/vlans',
      '/vlans/120',
      '/machines',
      '/machines/stor-gw-1',
      '/hosts',
      '/exporters',
      '/settings',
    ]) {
      await page.goto(demo?.url + path)
      await page.locator('.card, .kpis').first().waitFor()
      await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'))
      const excess = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
      assert.ok(excess <= 0, `${path} is ${excess} pixels too wide`)
      assert.deepEqual(await page.evaluate(sticksOut), [], path)
    }
    await page.close()
  })

  test('a time without data says so, and when there was some', async () => {
    const page = await open('/explore?from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z')
    await page.getByText('Nothing was seen in this time').waitFor()
    await page.getByRole('button', { name: 'Show the newest of it' }).click()
    await page.getByRole('table', { name: 'Groups' }).getByRole('row').nth(1).waitFor()
    await page.close()
  })

  test('a question that takes long can be stopped, and asked again', async () => {
    const page = await open('/explore')
    const table = page.getByRole('table', { name: 'Groups' })
    await table.getByRole('row').nth(2).waitFor()
    const waiting: (() => void)[] = []
    // The real answer comes, but only once it is let through.
    await page.route('**/api/v1/query/series', async (route) => {
      await new Promise<void>((resolve) => waiting.push(resolve))
      await route.continue().catch(() => undefined)
    })
    await page.getByRole('radio', { name: 'packets/s' }).click()
    await page.getByRole('progressbar', { name: 'Asking' }).waitFor()
    assert.ok(await table.isVisible(), 'the old picture stays')
    await page.getByRole('button', { name: 'Cancel' }).click()
    await page.getByText('Stopped.').first().waitFor()
    await page.unroute('**/api/v1/query/series')
    for (const go of waiting) go()
    await page.getByRole('button', { name: 'Ask again' }).first().click()
    await table.getByText('p/s').first().waitFor()
    await page.close()
  })

  test('a server that goes away is said, the old figures stay, and its return is noticed', async () => {
    const page = await open('/')
    await page.getByRole('table', { name: 'Busiest machines' }).getByRole('row').nth(3).waitFor()
    const address = new URL(demo?.url ?? '').host
    await stop(demo)
    await page.getByText('The server does not answer').first().waitFor()
    assert.ok(await page.getByRole('table', { name: 'Busiest machines' }).getByRole('row').nth(3).isVisible())
    demo = await serve(dir, address, '--demo')
    await page.getByText('The server does not answer').first().waitFor({ state: 'detached' })
    await page.close()
  })
})

test('an empty server says where it listens, and turns to life with the first datagram', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'vnetscope-first-'))
  const server = await serve(empty, '127.0.0.1:0')
  const page = await browser.newPage()
  page.setDefaultTimeout(WAIT)
  try {
    await page.goto(server.url)
    await page.getByRole('heading', { name: 'Waiting for the first flow' }).waitFor()
    const port = Number(await page.getByRole('table', { name: 'Listeners' }).locator('tbody td').nth(1).textContent())
    await page.getByRole('radio', { name: 'Cisco' }).click()
    await page.getByText('export-protocol netflow-v9').waitFor()
    await page.setViewportSize({ width: 390, height: 844 })
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 390)
    const socket = createSocket('udp4')
    await new Promise<void>((resolve, reject) =>
      socket.send(netflow5(), port, '127.0.0.1', (error) => (error ? reject(error) : resolve())),
    )
    socket.close()
    await page.getByText('Traffic now').waitFor()
    await page.getByRole('table', { name: 'Top conversations' }).getByRole('link', { name: '10.0.0.1' }).waitFor()
  } finally {
    await page.close()
    await stop(server)
    rmSync(empty, { recursive: true, force: true })
  }
})
