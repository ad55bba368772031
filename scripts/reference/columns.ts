import { COLUMNS } from '../../src/flow/columns.ts'
import { DIMENSIONS } from '../../src/query/dimensions.ts'

/** docs/reference/columns.md. */
export function columnsPage(): string {
  const rows = COLUMNS.map((column) => {
    const values = column.values
      ? ` One of ${Object.values(column.values)
          .map((value) => `\`${value}\``)
          .join(', ')}.`
      : ''
    const type = column.type.startsWith('Enum8') ? 'Enum8' : column.type
    return `| \`${column.name}\` | ${column.label} | \`${type}\` | ${column.dimension ? 'yes' : ''} | ${column.describe}${values} |`
  })
  const derived = DIMENSIONS.filter((dimension) => dimension.derived)
  return `# Columns of a flow

<!-- Made by \`npm run docs\` from src/flow/columns.ts: change it there. -->

A flow is one row of the table \`flows\`. \`bytes\` and \`packets\` are as observed; an answer scales them by \`sampling_rate\`, once.
Answers can be grouped by the columns that say so.

| column | label | ClickHouse type | groups | what it holds |
| --- | --- | --- | --- | --- |
${rows.join('\n')}

## Made of columns

Answers can be grouped by these as well.

| dimension | label | what it is |
| --- | --- | --- |
${derived.map(({ name, label, describe }) => `| \`${name}\` | ${label} | ${describe} |`).join('\n')}
`
}
