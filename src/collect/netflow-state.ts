import { ipText, parseIp } from '../base/address.ts'
import { TemplateCursor, type Flavour, type Template, type TemplateKind } from '../wire/ipfix/template.ts'
import type { SavedElement } from './netflow-learnt.ts'
import type { SavedSampling } from './netflow-sampling.ts'
import type { Layout, Protocol, Stream, Transport } from './netflow-stream.ts'

// Templates, sampling and names of elements over a restart, as JSON: without them data would wait until each exporter repeats its templates,
// which may take half an hour. Exporters of one make announce the same: a layout is written once, in the bytes in which it was announced.

const VERSION = 2

interface SavedLayout {
  readonly flavour: Flavour
  readonly kind: TemplateKind
  /** The announcement without its id, in base64. */
  readonly wire: string
}

export interface SavedStream {
  readonly exporter: string
  readonly protocol: Protocol
  readonly domain: number
  readonly firstHeard: number
  readonly lastHeard: number
  /** Elements that it told of itself. */
  readonly elements?: readonly SavedElement[]
  readonly transports: readonly {
    readonly port: number
    readonly lastHeard: number
    readonly bootedAt: number
    readonly sampling: SavedSampling | null
    readonly templates: readonly (readonly [id: number, layout: number, announcedAt: number, usedAt: number])[]
  }[]
}

interface Saved {
  readonly version: number
  readonly savedAt: number
  readonly layouts: readonly SavedLayout[]
  readonly streams: readonly SavedStream[]
}

/** What must outlive a restart, silent longest first, so that restoring them in this order keeps the order of use. */
export function saveStreams(streams: Iterable<Stream>, now: number): Saved {
  const saved: SavedStream[] = []
  const layouts: SavedLayout[] = []
  const indices = new Map<Layout, number>()
  for (const stream of streams) {
    const index = (layout: Layout): number => {
      const known = indices.get(layout)
      if (known !== undefined) return known
      const { kind, wire } = layout.template
      layouts.push({ flavour: flavourOf(stream.protocol), kind, wire: Buffer.from(wire).toString('base64') })
      indices.set(layout, layouts.length - 1)
      return layouts.length - 1
    }
    const transports = stream.transports
      .filter((transport) => transport.templates.size > 0 || transport.sampling !== undefined)
      .map((transport) => saveTransport(transport, index))
    const elements = stream.learnt?.save() ?? []
    if (transports.length === 0 && elements.length === 0) continue
    const words = Uint32Array.of(stream.address0, stream.address1, stream.address2, stream.address3)
    saved.push({
      exporter: ipText(new Uint8Array(words.buffer)),
      protocol: stream.protocol,
      domain: stream.domain,
      firstHeard: stream.firstHeard,
      lastHeard: stream.lastHeard,
      ...(elements.length > 0 ? { elements } : {}),
      transports,
    })
  }
  return { version: VERSION, savedAt: now, layouts, streams: saved.toReversed() }
}

function saveTransport(transport: Transport, index: (layout: Layout) => number): SavedStream['transports'][number] {
  return {
    port: transport.port,
    lastHeard: transport.lastHeard,
    bootedAt: transport.bootedAt,
    sampling: transport.sampling?.save() ?? null,
    templates: [...transport.templates].map(([id, known]) => [
      id,
      index(known.layout),
      known.announcedAt,
      known.usedAt,
    ]),
  }
}

/** What templates a protocol has: v9's or IPFIX's. */
export function flavourOf(protocol: Protocol): Flavour {
  return protocol === 'ipfix' ? 'ipfix' : 'netflow9'
}

export interface ReadState {
  readonly streams: readonly { readonly saved: SavedStream; readonly address: Uint32Array }[]
  /** By the index that streams name; undefined where the bytes are no template. */
  readonly templates: readonly (Template | undefined)[]
  readonly refused: number
}

/** What of a saved state can be read, and how much can't. The state comes from a file: nothing in it is taken on trust. */
export function readStreams(state: unknown): ReadState {
  if (
    !isObject(state) ||
    state['version'] !== VERSION ||
    !Array.isArray(state['streams']) ||
    !Array.isArray(state['layouts'])
  ) {
    return { streams: [], templates: [], refused: 1 }
  }
  const templates = (state['layouts'] as unknown[]).map(readLayout)
  const streams: { saved: SavedStream; address: Uint32Array }[] = []
  let refused = 0
  for (const entry of state['streams'] as unknown[]) {
    const address = isObject(entry) && typeof entry['exporter'] === 'string' ? parseIp(entry['exporter']) : undefined
    if (address === undefined || !isSavedStream(entry)) refused++
    else streams.push({ saved: entry, address: new Uint32Array(address.slice().buffer) })
  }
  return { streams, templates, refused }
}

/** The bytes are read as an announcement is, so what they make is what an exporter can make, and no worse. */
function readLayout(value: unknown): Template | undefined {
  if (!isObject(value) || typeof value['wire'] !== 'string') return undefined
  const { flavour, kind } = value
  if ((flavour !== 'ipfix' && flavour !== 'netflow9') || (kind !== 'data' && kind !== 'options')) return undefined
  const wire = Buffer.from(value['wire'], 'base64')
  const bytes = Uint8Array.of(1, 0, ...wire.subarray(0, 65_535))
  const view = new DataView(bytes.buffer)
  const cursor = new TemplateCursor()
  const whole = cursor.next(view, 0, bytes.length, flavour, kind === 'options') && cursor.end === bytes.length
  return whole && !cursor.withdrawal && cursor.problem === undefined ? cursor.build(view, flavour) : undefined
}

function isSavedStream(value: unknown): value is SavedStream {
  return (
    isObject(value) &&
    (value['protocol'] === 'netflow9' ||
      value['protocol'] === 'ipfix' ||
      value['protocol'] === 'netflow5' ||
      value['protocol'] === 'netflow7') &&
    isUint(value['domain'], 0xffff_ffff) &&
    isTime(value['firstHeard']) &&
    isTime(value['lastHeard']) &&
    (value['elements'] === undefined || isList(value['elements'], isElement)) &&
    isList(
      value['transports'],
      (transport) =>
        isObject(transport) &&
        isUint(transport['port'], 65535) &&
        isTime(transport['lastHeard']) &&
        isTime(transport['bootedAt']) &&
        (transport['sampling'] === null || isSampling(transport['sampling'])) &&
        isList(transport['templates'], isTemplate),
    )
  )
}

function isElement(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length === 4 &&
    isUint(value[0], 0xffff_ffff) &&
    isUint(value[1], 0x7fff) &&
    isUint(value[2], 255) &&
    typeof value[3] === 'string'
  )
}

function isTemplate(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.length === 4 &&
    isUint(value[0], 65_535) &&
    value[0] >= 256 &&
    isUint(value[1], 0xffff_ffff) &&
    isTime(value[2]) &&
    isTime(value[3])
  )
}

function isSampling(value: unknown): boolean {
  const pairs = (list: unknown): boolean =>
    isList(
      list,
      (pair) =>
        Array.isArray(pair) &&
        pair.length === 2 &&
        isUint(pair[0], 0xffff_ffff) &&
        isUint(pair[1], 0xffff_ffff) &&
        pair[1] > 0,
    )
  return (
    isObject(value) &&
    isUint(value['last'], 0xffff_ffff) &&
    isUint(value['plain'], 0xffff_ffff) &&
    typeof value['from'] === 'string' &&
    pairs(value['samplers']) &&
    pairs(value['interfaces'])
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isList(value: unknown, each: (entry: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(each)
}

function isUint(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
