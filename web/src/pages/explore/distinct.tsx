// How many different values each group has: the source with the most destinations scans, the port with the most sources serves.
import type { DistinctAnswer } from '../../../../src/api/contract/analysis.ts'
import { useDistinct } from '../../api/questions.ts'
import { countText } from '../../figures/units.ts'
import { labelOf } from '../../names/dimensions.ts'
import { Answer, Provenance } from '../../parts/answer.tsx'
import { Bar } from '../../parts/bars.tsx'
import { Card } from '../../parts/card.tsx'
import { CopyButton } from '../../parts/copy.tsx'
import { Name } from '../../parts/name.tsx'
import { NarrowButtons } from '../../parts/narrow-buttons.tsx'
import { NothingInSpan } from '../../parts/states.tsx'
import { DataTable } from '../../table/data-table.tsx'
import type { Column } from '../../table/data-table.tsx'
import { toTsv } from '../../table/text.ts'
import type { Acts, Part } from './acts.ts'
import { AskPanel } from './ask-panel.tsx'
import { countedFirst, limitOf } from './asked.ts'
import { Ways } from './ways.tsx'

type Row = DistinctAnswer['rows'][number]

export function Distinct({ view, change, acts }: Part) {
  const { by, filter, of } = view
  const orderBy = countedFirst(view)
  const distinct = useDistinct({ by, filter, of, orderBy, limit: limitOf(view), enabled: of.length > 0 })
  const data = distinct.data
  return (
    <>
      <AskPanel view={view} change={change} problem={distinct.error} provenance={<Provenance of={distinct} />} />
      <Card
        title={data ? `${countText(data.rows.length)} of ${countText(data.groups)} groups` : 'Groups'}
        note="how many different values each has; behind it how many there were at most, where sampling missed some"
        end={
          data ? (
            <span className="row">
              <CopyButton className="link" label="copy table" text={() => toTsv(textOf(data))} />
              <Ways view={view} bounds={data.bounds} step={undefined} />
            </span>
          ) : undefined
        }
      >
        <Answer of={distinct} height={300}>
          {(answer) =>
            answer.rows.length === 0 ? (
              <NothingInSpan filtered={filter !== ''} onClear={() => change({ filter: '' })} />
            ) : (
              <DataTable
                label="Distinct"
                columns={columnsOf(answer, acts, orderBy)}
                rows={answer.rows}
                rowId={(row) => JSON.stringify(row.key)}
                sort={{ column: orderBy, descending: true }}
                // The server orders: it alone knows the groups that are not shown.
                sorted
                onSort={({ column }) => change({ sort: { column, descending: true } })}
                {...(answer.columns.length > 0
                  ? {
                      onPick: (row: Row) => acts.keep(answer.columns, row.key),
                      onDrop: (row: Row) => acts.drop(answer.columns, row.key),
                    }
                  : {})}
              />
            )
          }
        </Answer>
      </Card>
    </>
  )
}

function columnsOf(answer: DistinctAnswer, acts: Acts, orderBy: string): Column<Row>[] {
  const most = Math.max(1, ...answer.rows.map((row) => row.distinct[orderBy]?.value ?? 0))
  return [
    ...answer.columns.map((column, at): Column<Row> => ({
      id: column,
      head: labelOf(column),
      cell: (row) => (
        <span className="cell-name narrowable">
          <Name of={column} value={row.key[column]} strong={at === 0} />
          <NarrowButtons
            of={column}
            value={row.key[column] ?? null}
            narrow={(_, value, keep) => (keep ? acts.keep : acts.drop)([column], { [column]: value })}
          />
        </span>
      ),
    })),
    ...answer.of.map((name): Column<Row> => ({
      id: name,
      head: `different ${labelOf(name)}`,
      num: true,
      value: (row) => row.distinct[name]?.value ?? 0,
      cell: (row) => <Count of={row.distinct[name]} />,
    })),
    { id: 'bar', head: '', cell: (row) => <Bar share={(row.distinct[orderBy]?.value ?? 0) / most} /> },
    { id: 'flows', head: 'Flows', num: true, cell: (row) => countText(row.flows) },
    { id: 'packets', head: 'Packets', num: true, cell: (row) => countText(row.packets) },
  ]
}

function Count({ of }: { readonly of: Row['distinct'][string] | undefined }) {
  if (!of) return <>–</>
  return (
    <>
      {countText(of.value)}
      {of.high > of.value ? <span className="dim small beside">≤ {countText(of.high)}</span> : null}
    </>
  )
}

function textOf(answer: DistinctAnswer): (string | number | boolean | null | undefined)[][] {
  return [
    [...answer.columns, ...answer.of.map((name) => `different_${name}`), 'flows', 'packets', 'bytes'],
    ...answer.rows.map((row) => [
      ...answer.columns.map((column) => row.key[column]),
      ...answer.of.map((name) => row.distinct[name]?.value),
      ...[row.flows, row.packets, row.bytes].map(Math.round),
    ]),
  ]
}
