import { createApi } from '../../src/api/api.ts'
import type { ApiDeps } from '../../src/api/api.ts'
import { EXAMPLES } from '../../src/api/contract/examples.ts'

interface Schema {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly required?: readonly string[]
  readonly items?: Schema
  readonly enum?: readonly string[]
}

interface Operation {
  readonly summary?: string
  readonly parameters?: readonly {
    readonly name: string
    readonly in: string
    readonly description?: string
    readonly schema: Schema
  }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: Schema }>> }
}

interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
}

/** docs/reference/api.md, from the OpenAPI description that the server gives of itself. */
export async function apiPage(): Promise<string> {
  // Routes are described without any being called.
  const api = await createApi({}, {} as ApiDeps)
  const { paths } = (await api.inject('/api/v1/openapi.json')).json<OpenApi>()
  await api.close()
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const question = operations.find(({ path }) => path === '/api/v1/query/top')?.operation.requestBody?.content[
    'application/json'
  ]?.schema
  return `# HTTP API

<!-- Made by \`npm run docs\` from src/api/: change it there. -->

\`GET /api/v1/openapi.json\` describes every request and answer in full. Errors are \`application/problem+json\`; one in a filter has the
\`position\` of the character and what was \`expected\` there. \`GET /metrics\` is for Prometheus.

\`\`\`sh
curl -s localhost:8080/api/v1/query/top -H 'content-type: application/json' -d '{
  "from": "2026-03-01T08:00:00Z", "to": "2026-03-01T09:00:00Z",
  "filter": "vlan 20 and dst port 443", "by": ["src_vm", "dst_addr"], "metric": "bytes", "limit": 10 }'
\`\`\`

Each row of an answer has its \`key\`, \`bytes\`, \`packets\` and \`flows\`, scaled by the sampling rate, and \`low\` and \`high\`: the 95 % interval
that sampling leaves for the metric.

| request | what it does | takes |
| --- | --- | --- |
${operations.map(({ path, method, operation }) => `| \`${method.toUpperCase()} ${path}\` | ${operation.summary ?? ''} | ${takes(operation, question)} |`).join('\n')}

## A question

| field | type | what it is |
| --- | --- | --- |
${Object.entries(question?.properties ?? {})
  .map(
    ([name, field]) =>
      `| \`${name}\`${question?.required?.includes(name) === true ? ' (needed)' : ''} | ${typeText(field)} | ${field.description ?? ''} |`,
  )
  .join('\n')}

## Examples

Each is asked by \`curl -s localhost:8080/api/v1/query/… -H 'content-type: application/json' -d '…'\`.
${Object.entries(EXAMPLES)
  .map(
    ([path, { text, body }]) =>
      `\n${text}: \`POST /api/v1/query/${path}\`\n\n\`\`\`json\n${JSON.stringify(body)}\n\`\`\`\n`,
  )
  .join('')}`
}

function takes(operation: Operation, question: Schema | undefined): string {
  const body = operation.requestBody?.content['application/json']?.schema
  const isQuestion = JSON.stringify(body) === JSON.stringify(question)
  const fields =
    body === undefined
      ? []
      : isQuestion
        ? ['a question']
        : Object.keys(body.properties ?? {}).map((name) => `\`${name}\``)
  return [...fields, ...(operation.parameters ?? []).map(({ name }) => `\`${name}\``)].join(', ')
}

function typeText(schema: Schema): string {
  if (schema.enum) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (schema.items) return `list of ${typeText(schema.items)}`
  return typeof schema.type === 'object' ? schema.type.join(' or ') : (schema.type ?? '')
}
