// What of the corpus is NetFlow or IPFIX: files of one payload, in the order in which their exporter sent them, and captures.

import { createReadStream, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCapture } from '../../src/capture/pcap-file.ts'
import { createUdpExtractor } from '../../src/capture/udp-payloads.ts'
import { CAPTURES } from './pdml.ts'
import type { Sent } from './cflow-oracle.ts'

const FOLDERS = ['netflow5/', 'netflow9/', 'ipfix/']

export interface PayloadFile extends Sent {
  readonly name: string
}

export interface Captured {
  /** 16 bytes, IPv4 mapped. */
  readonly from: Uint8Array
  readonly port: number
  readonly payload: Uint8Array
}

/** The rows of a list of the corpus, without its heading. */
export const table = (file: string): string[][] =>
  readFileSync(join(CAPTURES, file), 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))

const filesOf = (kind: (kind: string) => boolean): string[] =>
  table('INDEX.tsv')
    .filter(([path, , , , , , of]) => FOLDERS.some((folder) => path?.startsWith(folder)) && kind(of ?? ''))
    .map(([path]) => path as string)

/** Every payload file once; each sequence and each other file is an exporter of its own. */
export function payloadFiles(): PayloadFile[] {
  const inputs: PayloadFile[] = []
  let exporter = 0
  const feed = (names: readonly string[]): void => {
    exporter++
    for (const name of names)
      inputs.push({
        name,
        from: [10, 1, exporter >> 8, exporter & 255],
        port: 50_000,
        payload: new Uint8Array(readFileSync(join(CAPTURES, name))),
      })
  }
  const seen = new Set<string>()
  for (const [, list] of table('SEQUENCES.tsv')) {
    const names = (list as string).split(' ')
    if (!names.some((name) => FOLDERS.some((folder) => name.startsWith(folder)))) continue
    if (names.some((name) => name.endsWith('.pcap'))) continue
    feed(names)
    for (const name of names) seen.add(name)
  }
  for (const name of filesOf((kind) => kind.startsWith('payload'))) if (!seen.has(name)) feed([name])
  return inputs
}

export const captureFiles = (): string[] => filesOf((kind) => kind === 'pcap')

/** The NetFlow and IPFIX datagrams of a capture, and the ports to which they went. */
export async function captured(name: string): Promise<{ datagrams: Captured[]; ports: Set<number> }> {
  const datagrams: Captured[] = []
  const ports = new Set<number>()
  const extractor = createUdpExtractor()
  for await (const packet of readCapture(createReadStream(join(CAPTURES, name)), () => undefined)) {
    const payload = extractor.packet(packet.linkType, packet.bytes)
    if (typeof payload === 'string' || payload.bytes.length < 2) continue
    const version = payload.bytes[0] === 0 ? payload.bytes[1] : 0
    if (version !== 5 && version !== 9 && version !== 10) continue
    ports.add(payload.toPort)
    datagrams.push({ from: payload.from, port: payload.fromPort, payload: payload.bytes.slice() })
  }
  return { datagrams, ports }
}
