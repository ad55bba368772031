import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { parseConfig, problemText } from '../src/app/config-file.ts'
import { createProgram } from '../src/cli/main.ts'
import { parseFilter } from '../src/query/filter/parse.ts'

const root = join(import.meta.dirname, '..')
const pages = [
  ...globSync('*.md', { cwd: root }),
  ...globSync('docs/**/*.md', { cwd: root }),
  ...globSync('bench/*.md', { cwd: root }),
].map((path) => ({
  path,
  text: readFileSync(join(root, path), 'utf8'),
}))

test('every link of the pages leads to a file of the project', () => {
  for (const { path, text } of pages) {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue
      assert.ok(existsSync(join(root, dirname(path), target)), `${path} links to ${target}`)
    }
  }
})

test('every file of the sources that the pages name exists', () => {
  for (const { path, text } of pages) {
    for (const [, target] of text.matchAll(/`((?:src|web|scripts|test|bench|examples|docs|bin)\/[\w./-]*[\w/])`/g)) {
      if (target === undefined || target.includes('NAME') || target === 'web/dist') continue
      assert.ok(existsSync(join(root, target)), `${path} names ${target}`)
    }
  }
})

test('every configuration that the pages show is right', () => {
  for (const { path, text } of pages) {
    for (const [, yaml] of text.matchAll(/```yaml\n([\s\S]*?)```/g)) {
      assert.deepEqual(
        parseConfig(yaml as string).problems.map((problem) => problemText(path, problem)),
        [],
      )
    }
  }
})

test('every npm script that the pages name exists', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>
  }
  for (const { path, text } of pages) {
    for (const [, name] of text.matchAll(/npm run ([\w:]+)/g))
      assert.ok(scripts[name as string] !== undefined, `${path} names npm run ${name}`)
  }
})

test('every command that the pages show has the flags that they give it', async () => {
  for (const { path, text } of pages) {
    for (const [line, name, rest] of text.matchAll(/^(?:bin\/)?vnetscope (\w+)(.*)$/gm)) {
      const program = await createProgram([name as string])
      const command = program.commands.find((candidate) => candidate.name() === name)
      assert.ok(command, `${path}: ${line}`)
      const known = new Set(command.options.flatMap(({ short, long }) => [short, long]))
      const words = (rest as string).replace(/[#|].*$/, '').replaceAll(/'[^']*'/g, "''")
      for (const [, flag] of words.matchAll(/\s(--?[\w-]+)/g))
        assert.ok(known.has(flag), `${path}: ${line.trim()}: ${flag}`)
      const filter = name === 'query' ? /'([^']*)'/.exec(rest as string)?.[1] : undefined
      if (filter !== undefined) assert.ok(parseFilter(filter).ok, `${path}: ${filter}`)
    }
  }
})
