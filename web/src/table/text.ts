// Tables as text for the clipboard, and their order.

export type Cell = string | number | boolean | null | undefined

/** One cell, with a quote before what a spreadsheet would run as a formula. */
function plain(value: Cell): string {
  if (value === null || value === undefined) return ''
  if (typeof value !== 'string') return String(value)
  const line = value.replace(/[\t\r\n]+/g, ' ')
  return /^[=+@]|^-(?![\d.]+$)/.test(line) ? `'${line}` : line
}

export function toTsv(rows: readonly (readonly Cell[])[]): string {
  return rows.map((row) => row.map(plain).join('\t')).join('\n')
}

/** A stable sort by one value of each row; what has no value comes last, whichever the direction. */
export function sortedBy<T>(rows: readonly T[], value: (row: T) => number | string | null, descending: boolean): T[] {
  const sign = descending ? -1 : 1
  return rows
    .map((row, index) => ({ row, index, value: value(row) }))
    .sort((a, b) => {
      if (a.value === b.value) return a.index - b.index
      if (a.value === null || a.value === '') return 1
      if (b.value === null || b.value === '') return -1
      const order =
        typeof a.value === 'string' || typeof b.value === 'string'
          ? String(a.value).localeCompare(String(b.value), 'en', { numeric: true })
          : a.value - b.value
      return order === 0 ? a.index - b.index : order * sign
    })
    .map((entry) => entry.row)
}
