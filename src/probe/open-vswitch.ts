import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { parseMac } from '../base/address.ts'
import { leadsAway, type FoundPort } from './bridge.ts'
import { askJsonRpc } from './json-rpc.ts'

// What Open vSwitch knows of one of its bridges: ports by name from its database (OVSDB, RFC 7047; ovs-vswitchd.conf.db(5)), and
// the addresses behind each from the switch itself (“fdb/show”, ovs-vswitchd(8)).

const atom = z.union([z.string(), z.number(), z.boolean(), z.tuple([z.literal('uuid'), z.string()])])
/** One value stands for a set of one. */
const value = z.union([atom, z.tuple([z.literal('set'), z.array(atom)])])
const map = z.tuple([z.literal('map'), z.array(z.tuple([z.string(), z.string()]))])
const rows = <T extends z.ZodType>(row: T) => z.object({ rows: z.array(row) })

const ANSWER = z.tuple([
  rows(z.object({ name: z.string(), ports: value, mirrors: value })),
  rows(z.object({ _uuid: value, name: z.string(), interfaces: value })),
  rows(
    z.object({
      _uuid: value,
      name: z.string(),
      type: z.string(),
      ofport: value,
      mac_in_use: value,
      link_speed: value,
      external_ids: map,
    }),
  ),
  rows(z.object({ _uuid: value, output_port: value })),
])

const select = (table: string, ...columns: string[]): object => ({ op: 'select', table, where: [], columns })
const QUESTION = [
  'Open_vSwitch',
  select('Bridge', 'name', 'ports', 'mirrors'),
  select('Port', '_uuid', 'name', 'interfaces'),
  select('Interface', '_uuid', 'name', 'type', 'ofport', 'mac_in_use', 'link_speed', 'external_ids'),
  select('Mirror', '_uuid', 'output_port'),
]

/** Kinds of interface behind which other switches are. */
const TUNNELS: ReadonlySet<string> = new Set([
  'patch',
  'vxlan',
  'geneve',
  'gre',
  'ip6gre',
  'erspan',
  'ip6erspan',
  'stt',
  'lisp',
  'gtpu',
  'bareudp',
])

/** The number that OpenFlow gives to the port of the host itself. */
const LOCAL = 65_534

/**
 * The ports of the bridge that has `device` as a port, without those to which it mirrors.
 * @param socketPath of the database
 * @returns undefined if there is no Open vSwitch, or none of its bridges has this device; 'silent' if it is there and does not answer
 */
export async function readOpenVswitch(
  device: string,
  socketPath: string,
  isPhysical: (device: string) => boolean = leadsAway,
): Promise<FoundPort[] | 'silent' | undefined> {
  const answer = ANSWER.safeParse(await askJsonRpc(socketPath, 'transact', QUESTION))
  if (!answer.success) return existsSync(socketPath) ? 'silent' : undefined
  const [bridges, ports, interfaces, mirrors] = answer.data
  const portOf = new Map(ports.rows.map((port) => [oneOf(port._uuid), port]))
  const interfaceOf = new Map(interfaces.rows.map((each) => [oneOf(each._uuid), each]))
  const bridge = bridges.rows.find(({ ports: own }) => allOf(own).some((id) => portOf.get(id)?.name === device))
  if (!bridge) return undefined
  const outputs = new Set(
    mirrors.rows
      .filter(({ _uuid }) => allOf(bridge.mirrors).includes(oneOf(_uuid)))
      .flatMap(({ output_port: output }) => allOf(output)),
  )
  const learnt = await addressesByPort(bridge.name, dirname(socketPath))
  const found: FoundPort[] = []
  for (const id of allOf(bridge.ports)) {
    const port = portOf.get(id)
    // Mirrors may be switched off for a while: the device by which they are seen is a port only if it is that of the host itself
    if (!port || outputs.has(id) || (port.name === device && device !== bridge.name)) continue
    const own = allOf(port.interfaces).flatMap((each) => interfaceOf.get(each) ?? [])
    const [first] = own
    if (!first) continue
    const isTunnel = own.some(({ type }) => TUNNELS.has(type))
    const isBond = own.length > 1
    const attached = parseMac(first.external_ids[1].find(([key]) => key === 'attached-mac')?.[1] ?? '')
    const isInside = first.type === 'internal'
    const inUse = isInside ? parseMac(String(oneOf(first.mac_in_use))) : undefined
    const macs = own.flatMap(({ ofport }) => learnt.get(Number(oneOf(ofport))) ?? [])
    const isUplink = isBond || isTunnel || (!isInside && isPhysical(first.name))
    found.push({
      name: port.name,
      device: isTunnel || isBond ? '' : first.name,
      isInside,
      isUplink,
      speed: own.reduce((sum, { link_speed: speed }) => sum + (Number(oneOf(speed)) || 0), 0),
      macs: [...new Set([attached, inUse].flatMap((mac) => mac ?? []).concat(macs))],
    })
  }
  return found.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

type Value = z.infer<typeof value>

function allOf(of: Value): unknown[] {
  if (!Array.isArray(of)) return [of]
  return of[0] === 'set' ? of[1].map((each) => (Array.isArray(each) ? each[1] : each)) : [of[1]]
}

function oneOf(of: Value): unknown {
  return allOf(of)[0]
}

// The control socket of the switch lies beside that of the database, with its process ID in its name
async function addressesByPort(bridge: string, folder: string): Promise<Map<number, number[]>> {
  const found = new Map<number, number[]>()
  for (const name of controlSockets(folder)) {
    const text = await askJsonRpc(join(folder, name), 'fdb/show', [bridge])
    if (typeof text !== 'string') continue
    // port, VLAN, MAC, age
    for (const [, port, mac] of text.matchAll(/^\s*(\d+|LOCAL)\s+\d+\s+([0-9a-f:]{17})\s/gim)) {
      const number = port === 'LOCAL' ? LOCAL : Number(port)
      const list = found.get(number) ?? []
      const parsedMac = parseMac(mac as string)
      if (parsedMac !== undefined) list.push(parsedMac)
      found.set(number, list)
    }
  }
  return found
}

function controlSockets(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => /vswitchd.*\.ctl$/.test(name))
  } catch {
    return []
  }
}
