import type { FilterNode } from './ast.ts'
import { parseFilter } from './parse.ts'
import { FilterError, listed, nearest } from './problem.ts'

// `@name` in a filter → the filter that is saved under the name, whose own `@names` are put in as well.

export interface NamedFilterOptions {
  /** Text of the filter that is saved under this name, upper and lower case alike. */
  readonly namedFilter?: (name: string) => string | undefined
  /** Names of those that are saved, for “did you mean”. */
  readonly filterNames?: () => Iterable<string>
}

/** How deep filters may stand in each other. */
export const MAX_NAMED_DEPTH = 16
/** Tests in a filter with all that it uses: names that use names twice would otherwise double at each level. */
export const MAX_EXPANDED_TESTS = 5000

/** The tree without `@names`. @throws FilterError, at the `@name` of this text, for one that is unknown, wrong or uses itself */
export function expandFilter(tree: FilterNode, options: NamedFilterOptions): FilterNode {
  return new Expansion(options).of(tree, [], undefined)
}

/** The names that a text uses itself, as it writes them. */
export function namesIn(node: FilterNode, into = new Set<string>()): Set<string> {
  if (node.kind === 'named') into.add(node.name)
  else if (node.kind === 'not') namesIn(node.of, into)
  else if (node.kind === 'and' || node.kind === 'or') for (const part of node.of) namesIn(part, into)
  return into
}

type Named = Extract<FilterNode, { kind: 'named' }>

class Expansion {
  private tests = 0
  private readonly options: NamedFilterOptions

  constructor(options: NamedFilterOptions) {
    this.options = options
  }

  /** @param path names that lead here, the outermost first; @param outer where the first of them stands */
  of(node: FilterNode, path: readonly string[], outer: Named | undefined): FilterNode {
    switch (node.kind) {
      case 'named':
        return this.named(node, path, outer ?? node)
      case 'not':
        return { ...node, of: this.of(node.of, path, outer) }
      case 'and':
      case 'or':
        return { ...node, of: node.of.map((part) => this.of(part, path, outer)) }
      default:
        if (outer && ++this.tests > MAX_EXPANDED_TESTS)
          fail(outer, `with all that it uses, “@${outer.name}” has more than ${MAX_EXPANDED_TESTS} tests`)
        // Whatever is wrong in it is shown where the text that was given names it.
        return outer ? { ...node, span: outer.span } : node
    }
  }

  private instead(name: string): string {
    const near = nearest(name, this.options.filterNames?.() ?? [])
    if (near.length === 0) return 'save it first, or write its text in its place'
    return `did you mean ${listed(near.map((one) => `“@${one}”`))}?`
  }

  private named(node: Named, path: readonly string[], outer: Named): FilterNode {
    const name = node.name.toLowerCase()
    const chain = [...path, name]
    const shown = chain.map((one) => `@${one}`).join(' → ')
    if (path.includes(name)) fail(outer, `“@${name}” uses itself: ${shown}`)
    if (chain.length > MAX_NAMED_DEPTH)
      fail(outer, `filters use each other more than ${MAX_NAMED_DEPTH} levels deep: ${shown}`)
    const text = this.options.namedFilter?.(name)
    const where = path.length === 0 ? '' : `, which “@${path[path.length - 1]}” uses`
    if (text === undefined) fail(outer, `no filter is saved under the name “${node.name}”${where}`, this.instead(name))
    const result = parseFilter(text)
    if (!result.ok) fail(outer, `the filter that is saved as “@${name}”${where} is wrong: ${result.problem.message}`)
    return this.of(result.ast, chain, outer)
  }
}

function fail(at: Named, message: string, hint?: string): never {
  throw new FilterError({
    message,
    position: at.span.from,
    length: at.span.to - at.span.from,
    expected: ['the name of a saved filter'],
    ...(hint === undefined ? {} : { hint }),
  })
}
