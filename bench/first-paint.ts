// How long the console takes, in a browser that has never seen it, until it shows data: from the start of the navigation to the first
// figures, and to the chart, on loopback, with the demo's data.
//
//   npm run bench -- first-paint [--rounds 5]

import { parseArgs } from 'node:util'
import { chromium } from 'playwright-core'
import { machineLine, median } from './machine.ts'
import { startServer } from './server.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, warm: { type: 'string', default: '60' } },
})
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const server = await startServer(['--demo'])
await new Promise((resolve) => setTimeout(resolve, Number(values.warm) * 1000))
const paint: number[] = []
const figures: number[] = []
const chart: number[] = []
for (let round = 0; round < Number(values.rounds); round++) {
  // A browser of its own each time: nothing cached, no process shared.
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS })
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 }, bypassCSP: true })
  await page.goto(server.url, { waitUntil: 'commit' })
  const now = (): Promise<number> => page.evaluate(() => performance.now())
  await page.waitForFunction(
    String.raw`/Traffic now\s*[\d.,]*[1-9][\d.,]*\s*[kMGT]?bit\/s/.test(document.body?.innerText ?? '')`,
  )
  figures.push(await now())
  await page.waitForFunction(`document.querySelector('canvas') !== null`)
  chart.push(await now())
  paint.push(
    await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN),
  )
  await browser.close()
}
process.stdout.write(`${machineLine()}, median of ${values.rounds} cold browsers
  first contentful paint  ${median(paint).toFixed(0)} ms
  first figures           ${median(figures).toFixed(0)} ms
  traffic chart           ${median(chart).toFixed(0)} ms\n`)
await server.stop()
