// Packets as tshark dissects them, as trees (PDML).
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { XMLParser } from 'fast-xml-parser'

export interface PdmlNode {
  readonly tag: string
  readonly name: string
  readonly show: string
  readonly value: string
  readonly children: readonly PdmlNode[]
}

export const CAPTURES =
  process.env['VNETSCOPE_CAPTURES'] ?? new URL('../../../shared/captures', import.meta.url).pathname

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
})

/** One node for each packet of the capture, its children the protocols from the outermost on. */
export function pdml(capture: string, args: readonly string[] = []): PdmlNode[] {
  // Damaged captures make tshark end with a status of its own after the packets that it could read
  let text: string
  try {
    text = execFileSync('tshark', ['-n', '-r', capture, '-T', 'pdml', ...args], {
      maxBuffer: 1 << 30,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    text = String((error as { stdout?: string }).stdout ?? '')
  }
  const roots = convert(parser.parse(text) as Ordered[])
  return roots.find((node) => node.tag === 'pdml')?.children.filter((node) => node.tag === 'packet') ?? []
}

/** The same for bytes that are a capture. */
export function pdmlOf(bytes: Uint8Array, args: readonly string[] = []): PdmlNode[] {
  const dir = mkdtempSync(join(tmpdir(), 'vnetscope-corpus-'))
  try {
    const file = join(dir, 'capture.pcap')
    writeFileSync(file, bytes)
    return pdml(file, args)
  } finally {
    rmSync(dir, { recursive: true })
  }
}

type Ordered = Readonly<Record<string, unknown>> & { readonly ':@'?: Readonly<Record<string, string>> }

function convert(nodes: readonly Ordered[]): PdmlNode[] {
  const converted: PdmlNode[] = []
  for (const node of nodes) {
    const tag = Object.keys(node).find((key) => key !== ':@' && key !== '#text')
    if (tag === undefined) continue
    const attributes = node[':@'] ?? {}
    converted.push({
      tag,
      name: attributes['name'] ?? '',
      show: attributes['show'] ?? '',
      value: attributes['value'] ?? '',
      children: convert(node[tag] as Ordered[]),
    })
  }
  return converted
}

/** The first field of that name below the node, in reading order. */
export function field(node: PdmlNode, name: string): PdmlNode | undefined {
  for (const child of node.children) {
    if (child.name === name) return child
    const below = field(child, name)
    if (below) return below
  }
  return undefined
}

/** What the first field of that name shows, as a number (decimal or 0x…); undefined if there is none. */
export function number(node: PdmlNode, name: string): number | undefined {
  const found = field(node, name)
  return found === undefined || found.show === '' ? undefined : Number(found.show)
}

export function text(node: PdmlNode, name: string): string | undefined {
  return field(node, name)?.show
}
