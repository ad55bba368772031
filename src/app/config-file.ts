// Configuration file (YAML 1.2) → Config, or every problem in it with its place and what was expected there.

import { readFileSync } from 'node:fs'
import { LineCounter, isMap, isNode, isPair, isScalar, parseDocument } from 'yaml'
import type { Document, Node, Pair } from 'yaml'
import type { z } from 'zod'
import { OperatorError, UserError } from '../base/errors.ts'
import { ConfigSchema, defaultConfig, pathText } from './config.ts'
import type { Config } from './config.ts'

export interface ConfigProblem {
  /** From 1. */
  readonly line: number
  readonly column: number
  /** `http.port`, `listeners[0].ports[1]`; empty for the file as a whole. */
  readonly path: string
  /** What is wrong and what was expected, as one sentence without a full stop. */
  readonly message: string
}

export type ParsedConfig =
  | { readonly config: Config; readonly problems: readonly [] }
  | { readonly config: undefined; readonly problems: readonly ConfigProblem[] }

type Path = readonly PropertyKey[]

/** Text of a configuration file → configuration or problems, in the order of the file. An empty text is the defaults. */
export function parseConfig(source: string): ParsedConfig {
  const lines = new LineCounter()
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, strict: true, uniqueKeys: true })
  const at = (offset: number): { line: number; column: number } => {
    const { line, col } = lines.linePos(Math.min(offset, source.length))
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  if (document.errors.length > 0) {
    return {
      config: undefined,
      problems: document.errors.map((error) => ({ ...at(error.pos[0]), path: '', message: yamlMessage(error) })),
    }
  }
  if (document.contents === null) return { config: defaultConfig(), problems: [] }
  let value: unknown
  try {
    value = document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    return {
      config: undefined,
      problems: [{ line: 1, column: 1, path: '', message: `not YAML: ${(error as Error).message}` }],
    }
  }
  if (value === null) return { config: defaultConfig(), problems: [] }
  const result = ConfigSchema.safeParse(value)
  if (result.success) return { config: result.data, problems: [] }
  const problems = result.error.issues.flatMap((issue) => problemsOf(issue, document, value, at))
  problems.sort((a, b) => a.line - b.line || a.column - b.column)
  return { config: undefined, problems }
}

/** Reads and checks a file; the defaults if there is none to read. Throws a UserError that lists every problem. */
export function loadConfig(file: string | undefined): Config {
  if (file === undefined) return defaultConfig()
  const parsed = parseConfig(readConfigText(file))
  if (parsed.config) return parsed.config
  const [first, ...others] = parsed.problems.map((problem) => problemText(file, problem))
  throw new UserError(`the configuration is wrong: ${first ?? file}${others.map((line) => `\n  ${line}`).join('')}`, {
    hint: `mend it and try \`vnetscope check ${file}\`; every option is described in docs/reference/configuration.md`,
  })
}

export function readConfigText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new UserError(`there is no file ${file}`, { cause: error })
    if (code === 'EISDIR') throw new UserError(`${file} is a directory, not a configuration file`, { cause: error })
    throw new OperatorError('config_unreadable', `${file} can't be read (${code})`, { cause: error })
  }
}

/** `FILE:LINE:COLUMN: path: message`, as compilers write it. */
export function problemText(file: string, problem: ConfigProblem): string {
  return `${file}:${problem.line}:${problem.column}: ${problem.path === '' ? '' : `${problem.path}: `}${problem.message}`
}

function yamlMessage(error: { code: string; message: string }): string {
  if (error.code === 'DUPLICATE_KEY') return 'this key stands twice in the same mapping; expected each key once'
  if (error.code === 'TAB_AS_INDENT') return 'a tab indents this line; expected spaces'
  return `not YAML: ${error.message.split('\n')[0]}`
}

function problemsOf(
  issue: z.core.$ZodIssue,
  document: Document,
  root: unknown,
  at: (offset: number) => { line: number; column: number },
): ConfigProblem[] {
  const path = pathText(issue.path)
  if (issue.code === 'unrecognized_keys') {
    const known = knownKeys(issue.path)
    return issue.keys.map((key) => ({
      ...at(keyOffset(document, issue.path, key)),
      path: pathText([...issue.path, key]),
      message: `no such option; ${suggest(key, known)}`,
    }))
  }
  const found = valueAt(root, issue.path)
  const place = at(nodeOffset(document, issue.path))
  return [
    {
      ...place,
      path,
      message: `expected ${expectation(issue)}, found ${found === undefined ? 'nothing' : foundText(found)}`,
    },
  ]
}

function expectation(issue: z.core.$ZodIssue): string {
  if (issue.code === 'invalid_value') return `one of ${issue.values.map(String).join(', ')}`
  if (issue.code === 'invalid_type' && issue.expected === 'object') return 'a mapping of options'
  return issue.message
}

function foundText(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 77)}…` : text
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined
    value = (value as Record<PropertyKey, unknown>)[part]
  }
  return value
}

/** Offset of the value at the path, or of the deepest part of it that stands in the file. */
function nodeOffset(document: Document, path: Path): number {
  for (let length = path.length; length >= 0; length--) {
    const node = length === 0 ? document.contents : document.getIn(path.slice(0, length), true)
    if (isNode(node) && node.range)
      return isEmptyScalar(node) ? keyOffset(document, path.slice(0, length - 1), path[length - 1]) : node.range[0]
  }
  return 0
}

function isEmptyScalar(node: Node): boolean {
  return isScalar(node) && node.value === null && node.range?.[0] === node.range?.[1]
}

function keyOffset(document: Document, path: Path, key: PropertyKey | undefined): number {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  if (isMap(node)) {
    const pair = node.items.find(
      (item): item is Pair<Node> => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key),
    )
    if (pair?.key.range) return pair.key.range[0]
  }
  return isNode(node) && node.range ? node.range[0] : 0
}

/** Keys that the schema has at a path. */
function knownKeys(path: Path): string[] {
  let schema: z.core.$ZodType = ConfigSchema
  for (const part of [...path, undefined]) {
    schema = unwrapped(schema)
    const { def } = schema._zod
    if (part === undefined) break
    if (def.type === 'array') schema = (def as z.core.$ZodArrayDef).element
    else if (def.type === 'object') {
      const next = (def as z.core.$ZodObjectDef).shape[String(part)]
      if (!next) return []
      schema = next
    }
  }
  const { def } = schema._zod
  return def.type === 'object' ? Object.keys((def as z.core.$ZodObjectDef).shape) : []
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  let inner = schema
  while ('innerType' in inner._zod.def) inner = (inner._zod.def as z.core.$ZodDefaultDef).innerType
  return inner
}

function suggest(key: string, known: readonly string[]): string {
  const near = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0]
  if (near && near.distance <= Math.ceil(near.name.length / 3)) return `did you mean ${near.name}?`
  return `expected one of ${known.join(', ')}`
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
