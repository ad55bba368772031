import { z } from 'zod'
import { ConfigSchema } from '../../src/app/config.ts'

/** What z.toJSONSchema makes of the configuration, as far as the page reads it. */
interface Option {
  readonly description?: string
  readonly default?: unknown
  readonly type?: string | readonly string[]
  readonly kind?: string
  readonly enum?: readonly string[]
  readonly anyOf?: readonly Option[]
  readonly properties?: Readonly<Record<string, Option>>
  readonly required?: readonly string[]
  readonly items?: Option
}

const INTRODUCTION = `# Configuration

<!-- Made by \`npm run docs\` from src/app/config.ts: change it there. -->

\`vnetscope serve --config FILE\` reads one YAML file. Every option has a default, so an empty file is right, and so is none.
\`vnetscope check FILE\` says of each mistake in which line and column it stands and what was expected there; an option that
does not exist is a mistake. Flags of the command line come before the file.

Sizes are bytes, or a number with a unit: \`512MiB\`, \`10GB\`. \`null\` means that nothing is set.

[examples/vnetscope.yaml](../../examples/vnetscope.yaml) is a whole file to start from.
`

/** docs/reference/configuration.md. */
export function configurationPage(): string {
  const schema = z.toJSONSchema(ConfigSchema, { io: 'input', unrepresentable: 'any' }) as Option
  const sections: string[] = [INTRODUCTION]
  const plain: string[] = []
  for (const [name, option] of Object.entries(schema.properties ?? {})) {
    if (fieldsOf(option)) sections.push(section(name, option))
    else plain.push(row(name, option, false))
  }
  sections.splice(1, 0, `## At the top\n\n${table(plain)}`)
  return `${sections.join('\n')}`
}

function section(path: string, option: Option): string {
  const fields = fieldsOf(option) as Option
  const rows: string[] = []
  const nested: string[] = []
  for (const [name, field] of Object.entries(fields.properties ?? {})) {
    const optional = !(fields.required ?? []).includes(name)
    if (fieldsOf(field)) nested.push(section(`${path}.${name}`, field))
    else rows.push(row(name, field, !optional))
  }
  const title = isList(option) ? `${path}[]` : path
  const note =
    isList(option) && Array.isArray(option.default) && option.default.length > 0
      ? `\nDefault: \`${JSON.stringify(option.default)}\`.\n`
      : ''
  const intro = `## \`${title}\`\n\n${option.description ?? ''}${isList(option) ? ' A list; each entry has:' : ''}\n${note}`
  return [rows.length > 0 ? `${intro}\n${table(rows)}` : intro, ...nested].join('\n')
}

function table(rows: readonly string[]): string {
  return `| option | is | default | what it does |\n| --- | --- | --- | --- |\n${rows.join('\n')}\n`
}

function row(name: string, option: Option, required: boolean): string {
  const value = option.default === undefined ? (required ? 'needed' : '') : `\`${JSON.stringify(option.default)}\``
  return `| \`${name}\` | ${kindOf(option)} | ${value} | ${option.description ?? ''} |`
}

function kindOf(option: Option): string {
  if (option.enum) return option.enum.map((value) => `\`${value}\``).join(', ')
  if (option.kind !== undefined) return option.kind
  const alternatives = option.anyOf?.filter((entry) => entry.type !== 'null')
  if (alternatives?.length === 1) return `${kindOf(alternatives[0] as Option)}, or \`null\``
  if (option.items) return `a list: each ${kindOf(option.items)}`
  return String(option.type ?? '')
}

function isList(option: Option): boolean {
  return option.type === 'array'
}

/** The mapping of options that it is, or that each entry of the list is. */
function fieldsOf(option: Option): Option | undefined {
  if (option.properties) return option
  return option.items?.properties ? option.items : undefined
}
