import { ipText, parseIp } from '../base/address.ts'
import { VARIABLE, type Template } from '../wire/ipfix/template.ts'
import type { SavedSampling } from './netflow-sampling.ts'
import type { Protocol, Stream, Transport } from './netflow-stream.ts'

// Templates and sampling over a restart, as JSON: without them data would wait until each exporter repeats its templates,
// which may take half an hour.

const VERSION = 1

export interface SavedTemplate {
  readonly id: number
  readonly kind: 'data' | 'options'
  readonly scopes: number
  readonly announcedAt: number
  readonly usedAt: number
  /** [element, length, enterprise] */
  readonly fields: readonly (readonly [element: number, length: number, enterprise: number])[]
  /** The announcement without its id, in base64. */
  readonly wire: string
}

export interface SavedStream {
  readonly exporter: string
  readonly protocol: Protocol
  readonly domain: number
  readonly firstHeard: number
  readonly lastHeard: number
  readonly transports: readonly {
    readonly port: number
    readonly lastHeard: number
    readonly bootedAt: number
    readonly sampling: SavedSampling | null
    readonly templates: readonly SavedTemplate[]
  }[]
}

interface Saved {
  readonly version: number
  readonly savedAt: number
  readonly streams: readonly SavedStream[]
}

/** What must outlive a restart, silent longest first, so that restoring them in this order keeps the order of use. */
export function saveStreams(streams: Iterable<Stream>, now: number): Saved {
  const saved: SavedStream[] = []
  for (const stream of streams) {
    const transports = stream.transports
      .filter((transport) => transport.templates.size > 0 || transport.sampling !== undefined)
      .map(saveTransport)
    if (transports.length === 0) continue
    const words = Uint32Array.of(stream.address0, stream.address1, stream.address2, stream.address3)
    saved.push({
      exporter: ipText(new Uint8Array(words.buffer)),
      protocol: stream.protocol,
      domain: stream.domain,
      firstHeard: stream.firstHeard,
      lastHeard: stream.lastHeard,
      transports,
    })
  }
  return { version: VERSION, savedAt: now, streams: saved.toReversed() }
}

function saveTransport(transport: Transport): SavedStream['transports'][number] {
  const templates = [...transport.templates].map(([id, { template, announcedAt, usedAt }]): SavedTemplate => ({
    id,
    kind: template.kind,
    scopes: template.scopes,
    announcedAt,
    usedAt,
    fields: Array.from(
      template.elements,
      (element, i) => [element, template.lengths[i] as number, template.enterprises[i] as number] as const,
    ),
    wire: Buffer.from(template.wire).toString('base64'),
  }))
  return {
    port: transport.port,
    lastHeard: transport.lastHeard,
    bootedAt: transport.bootedAt,
    sampling: transport.sampling?.save() ?? null,
    templates,
  }
}

/** The streams of a saved state that can be read, and how many can't. The state comes from a file: nothing in it is taken on trust. */
export function readStreams(state: unknown): {
  streams: { saved: SavedStream; address: Uint32Array }[]
  refused: number
} {
  const streams: { saved: SavedStream; address: Uint32Array }[] = []
  let refused = 0
  if (!isObject(state) || state['version'] !== VERSION || !Array.isArray(state['streams']))
    return { streams, refused: 1 }
  for (const entry of state['streams'] as unknown[]) {
    const address = isObject(entry) && typeof entry['exporter'] === 'string' ? parseIp(entry['exporter']) : undefined
    if (address === undefined || !isSavedStream(entry)) refused++
    else streams.push({ saved: entry, address: new Uint32Array(address.slice().buffer) })
  }
  return { streams, refused }
}

/** The template of a saved one; undefined if its parts contradict each other. */
export function templateOfSaved(
  saved: Pick<SavedTemplate, 'kind' | 'scopes' | 'fields' | 'wire'>,
): Template | undefined {
  const wire = Uint8Array.from(Buffer.from(saved.wire, 'base64'))
  let minLength = 0
  for (const [, length] of saved.fields) minLength += length === VARIABLE ? 1 : length
  if (saved.fields.length === 0 || minLength === 0 || minLength > 65535 || saved.scopes > saved.fields.length)
    return undefined
  return {
    kind: saved.kind,
    scopes: saved.scopes,
    minLength,
    wire,
    variable: saved.fields.some(([, length]) => length === VARIABLE),
    elements: Uint16Array.from(saved.fields, (field) => field[0]),
    lengths: Uint16Array.from(saved.fields, (field) => field[1]),
    enterprises: Uint32Array.from(saved.fields, (field) => field[2]),
  }
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

function isTemplate(value: unknown): boolean {
  return (
    isObject(value) &&
    isUint(value['id'], 65535) &&
    (value['id'] as number) >= 256 &&
    (value['kind'] === 'data' || value['kind'] === 'options') &&
    isUint(value['scopes'], 65535) &&
    isTime(value['announcedAt']) &&
    isTime(value['usedAt']) &&
    typeof value['wire'] === 'string' &&
    isList(
      value['fields'],
      (field) =>
        Array.isArray(field) &&
        field.length === 3 &&
        isUint(field[0], 65535) &&
        isUint(field[1], 65535) &&
        isUint(field[2], 0xffff_ffff),
    )
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
