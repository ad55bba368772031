// `npm run docs`: the reference pages that are made from the code. `--check` says which are not current.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { configurationPage } from './reference/configuration.ts'
import { commandsPage } from './reference/commands.ts'
import { apiPage } from './reference/api.ts'
import { columnsPage } from './reference/columns.ts'
import { elementsPage } from './reference/elements.ts'
import { filterPage } from './reference/filter.ts'
import { sflowPage } from './reference/sflow.ts'

const PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  'configuration.md': configurationPage,
  'api.md': apiPage,
  'columns.md': columnsPage,
  'commands.md': commandsPage,
  'elements.md': elementsPage,
  'filter.md': filterPage,
  'sflow.md': sflowPage,
}

const folder = join(import.meta.dirname, '..', 'docs', 'reference')
const check = process.argv.includes('--check')
mkdirSync(folder, { recursive: true })
for (const [name, make] of Object.entries(PAGES)) {
  const file = join(folder, name)
  const text = await make()
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue
  if (check) {
    console.error(`docs/reference/${name} is not what the code says today`)
    process.exitCode = 1
  } else {
    writeFileSync(file, text)
    console.log(`docs/reference/${name} written`)
  }
}
