// From a matrix answer to a Sankey diagram: each dimension a column of nodes, left to right.
import type { Row } from '../../../src/api/contract/query.ts'
import { valueText } from '../names/dimensions.ts'
import type { ExporterNames, Key } from '../names/dimensions.ts'

export interface SankeyNode {
  readonly name: string
  readonly text: string
  readonly column: string
  readonly key: Key
  readonly depth: number
}
export interface SankeyLink {
  readonly source: string
  readonly target: string
  /** The node of the first column that it comes from, whose colour it has all the way. */
  readonly origin: string
  readonly value: number
}
export interface SankeyData {
  readonly nodes: readonly SankeyNode[]
  readonly links: readonly SankeyLink[]
}

/**
 * Rows as paths through the columns; a node's name carries its depth, so that no cycle can arise. Between the same two
 * nodes there is a link for each origin.
 */
export function sankeyData(
  columns: readonly string[],
  rows: readonly Row[],
  metric: 'bytes' | 'packets' | 'flows',
  most = 40,
  exporters?: ExporterNames,
): SankeyData {
  const nodes = new Map<string, SankeyNode>()
  const links = new Map<string, SankeyLink>()
  const sorted = [...rows].sort((a, b) => b[metric] - a[metric]).slice(0, most)
  for (const row of sorted) {
    if (row[metric] <= 0) continue
    const path = columns.map((column, depth) => {
      const value = row.key[column] ?? null
      const name = `${depth}/${String(value)}`
      if (!nodes.has(name))
        nodes.set(name, { name, text: valueText(column, value, exporters), column, key: { [column]: value }, depth })
      return name
    })
    for (let at = 1; at < path.length; at++) {
      const [source, target] = [path[at - 1] ?? '', path[at] ?? '']
      const origin = path[0] ?? ''
      const id = `${source}\n${target}\n${origin}`
      links.set(id, { source, target, origin, value: (links.get(id)?.value ?? 0) + row[metric] })
    }
  }
  return { nodes: [...nodes.values()], links: [...links.values()] }
}
