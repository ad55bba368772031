import type { Cell, QueryAnswer } from './store.ts'

interface JsonCompact {
  readonly meta: readonly { readonly name: string; readonly type: string }[]
  readonly data: readonly (readonly Cell[])[]
  readonly statistics: { readonly elapsed: number; readonly rows_read: number; readonly bytes_read: number }
}

/** Reads FORMAT JSONCompact with quoted 64-bit integers; those up to 2^53 become numbers. */
export function readAnswer(bytes: Uint8Array): QueryAnswer {
  const json = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as JsonCompact
  const numeric = json.meta.map((column) => readerOf(column.type))
  const rows = numeric.some((n) => n !== undefined)
    ? json.data.map((row) => row.map((cell, i) => numeric[i]?.(cell) ?? cell))
    : json.data
  return {
    columns: json.meta.map(({ name, type }) => ({ name, type })),
    rows,
    rowsRead: json.statistics.rows_read,
    bytesRead: json.statistics.bytes_read,
    elapsedMs: json.statistics.elapsed * 1000,
  }
}

type CellReader = (cell: Cell) => Cell

function readerOf(type: string): CellReader | undefined {
  if (/^U?Int(64|128|256)$/.test(type)) return wholeNumber
  const wrapped = /^(Array|Nullable|LowCardinality|Tuple)\((.*)\)$/.exec(type)
  if (!wrapped) return undefined
  const inner = splitTypes(wrapped[2] as string).map((t) => readerOf(t.replace(/^\w+ (?=[A-Z])/, '')))
  if (inner.every((r) => r === undefined)) return undefined
  const first = inner[0]
  if (wrapped[1] === 'Array') return (cell) => (Array.isArray(cell) && first ? cell.map(first) : cell)
  if (wrapped[1] === 'Tuple')
    return (cell) => (Array.isArray(cell) ? cell.map((c: Cell, i) => inner[i]?.(c) ?? c) : cell)
  return first
}

function wholeNumber(cell: Cell): Cell {
  if (typeof cell !== 'string') return cell
  const value = Number(cell)
  return Number.isSafeInteger(value) ? value : cell
}

function splitTypes(list: string): string[] {
  const types: string[] = []
  let depth = 0
  let from = 0
  for (let i = 0; i < list.length; i++) {
    if (list[i] === '(') depth++
    else if (list[i] === ')') depth--
    else if (list[i] === ',' && depth === 0) {
      types.push(list.slice(from, i).trim())
      from = i + 1
    }
  }
  types.push(list.slice(from).trim())
  return types
}
