// Out, in, and the mirrored bars between them, for any table of ends.
import { rateText } from '../figures/units.ts'
import { Mirror } from '../parts/bars.tsx'
import type { Column } from '../table/data-table.tsx'

export function endsColumns<T extends { readonly out: number; readonly in: number }>(most: number): Column<T>[] {
  return [
    { id: 'out', head: 'Out', num: true, value: (row) => row.out, cell: (row) => rateText('bytes', row.out) },
    { id: 'bars', head: '', cell: (row) => <Mirror left={row.out / most} right={row.in / most} /> },
    { id: 'in', head: 'In', num: true, value: (row) => row.in, cell: (row) => rateText('bytes', row.in) },
  ]
}
