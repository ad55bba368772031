import { ipText, macText, parseIp } from '../base/address.ts'
import { UserError } from '../base/errors.ts'
import type { Cell } from '../store/store.ts'
import { COLUMNS, type ColumnDefinition, type ColumnFormat } from '../flow/columns.ts'
import { ethertypeText, flagText, protocolText } from './filter/names.ts'
import { nearest } from './filter/problem.ts'
import { SERVICE_PORT } from './filter/sql.ts'

// What an answer can be grouped by. The store groups by raw values; text is made only for the rows that are answered.

export type KeyValue = string | number | boolean | null

export interface Dimension {
  readonly name: string
  readonly label: string
  readonly describe: string
  readonly format: ColumnFormat
  /** True if made of columns. */
  readonly derived: boolean
  /** Expression of the raw value; of each side, where either counts. */
  readonly sides: readonly [string] | readonly [string, string]
  /** Type of the raw value, as a parameter. */
  readonly type: string
  readonly values?: Readonly<Record<number, string>>
  decode(cell: Cell): KeyValue
}

/** The store writes IPv4 so, most of what there is. */
const MAPPED = /^::ffff:[\d.]+$/

function address(cell: Cell): string {
  const text = String(cell)
  if (MAPPED.test(text)) return text.slice(7)
  // Others as RFC 5952 has them, but for those that end as IPv4.
  if (!text.includes('.')) return text
  const bytes = parseIp(text)
  return bytes ? ipText(bytes) : text
}

/** How a raw value of each format is answered. */
export const DECODERS: Readonly<Record<ColumnFormat, (cell: Cell) => KeyValue>> = {
  time: (cell) => Number(cell),
  ip: address,
  mac: (cell) => macText(Number(cell)),
  number: Number,
  bytes: Number,
  packets: Number,
  port: Number,
  proto: (cell) => protocolText(Number(cell)),
  interface: Number,
  vlan: Number,
  as: Number,
  flags: (cell) => flagText(Number(cell)),
  enum: String,
  name: String,
  boolean: (cell) => cell === true || cell === 1 || cell === 'true',
  ethertype: (cell) => ethertypeText(Number(cell)),
}

function ofColumn(column: ColumnDefinition): Dimension {
  const { name, label, describe, format, values } = column
  const plain = { name, label, describe, format, derived: false }
  // Enumerations are grouped by number: their texts are put in at the end.
  if (values)
    return {
      ...plain,
      sides: [`CAST(${name}, 'Int8')`],
      type: 'Int8',
      values,
      decode: (cell) => values[Number(cell)] ?? String(cell),
    }
  return {
    ...plain,
    sides: [name],
    type: column.type.startsWith('LowCardinality') ? 'String' : column.type,
    decode: DECODERS[format],
  }
}

function either(
  name: string,
  label: string,
  format: ColumnFormat,
  type: string,
  source: string,
  destination: string,
): Dimension {
  const describe = `${label} on either side: a flow counts for both of its ends, a total counts it once.`
  return { name, label, describe, format, derived: true, sides: [source, destination], type, decode: DECODERS[format] }
}

/** Network of an address: /24 of IPv4, /48 of IPv6. */
function net(name: string, label: string, column: string): Dimension {
  const mapped = `(${column} >= toIPv6('::ffff:0.0.0.0') AND ${column} <= toIPv6('::ffff:255.255.255.255'))`
  return {
    name,
    label,
    describe: `${label}: /24 of IPv4, /48 of IPv6.`,
    format: 'ip',
    derived: true,
    type: 'IPv6',
    sides: [`tupleElement(IPv6CIDRToRange(${column}, if(${mapped}, 120, 48)), 1)`],
    decode: (cell) => {
      const text = address(cell)
      return text.includes(':') ? `${text}/48` : `${text}/24`
    },
  }
}

const MASKED = /^(src|dst)_net([46])\/(\d{1,3})$/

/** `src_net4/16`, `dst_net6/64`: networks of one family by any mask; addresses of the other stay whole. */
function maskedNet(name: string): Dimension | undefined {
  const match = MASKED.exec(name)
  if (!match) return undefined
  const [, side, family, text] = match as unknown as [string, 'src' | 'dst', '4' | '6', string]
  const bits = Number(text)
  if (bits > (family === '4' ? 32 : 128)) return undefined
  const column = `${side}_addr`
  const mapped = `(${column} >= toIPv6('::ffff:0.0.0.0') AND ${column} <= toIPv6('::ffff:255.255.255.255'))`
  const lengths = family === '4' ? `${bits + 96}, 128` : `128, ${bits}`
  return {
    name,
    label: `${side} network`,
    describe: `Network of the ${side === 'src' ? 'source' : 'destination'} address by this mask.`,
    format: 'ip',
    derived: true,
    type: 'IPv6',
    sides: [`tupleElement(IPv6CIDRToRange(${column}, if(${mapped}, ${lengths})), 1)`],
    decode: (cell) => {
      const network = address(cell)
      return network.includes(':') === (family === '6') ? `${network}/${bits}` : network
    },
  }
}

const SERVICE: Dimension = {
  name: 'service',
  label: 'service',
  describe: 'Lower port with its protocol, such as 443/tcp; the protocol alone where there are no ports.',
  format: 'name',
  derived: true,
  type: 'UInt32',
  sides: [`toUInt32(toUInt32(${SERVICE_PORT}) * 256 + proto)`],
  decode: (cell) => {
    const code = Number(cell)
    const port = Math.floor(code / 256)
    return port === 0 ? protocolText(code % 256) : `${port}/${protocolText(code % 256)}`
  },
}

export const DIMENSIONS: readonly Dimension[] = [
  {
    name: 'vlan',
    label: 'VLAN',
    describe: 'VLAN in, or else VLAN out; 0 if untagged or unknown.',
    format: 'vlan',
    derived: true,
    sides: ['if(vlan_in != 0, vlan_in, vlan_out)'],
    type: 'UInt16',
    decode: Number,
  },
  either('vm', 'VM', 'name', 'String', 'src_vm', 'dst_vm'),
  either('host', 'host', 'name', 'String', 'src_host', 'dst_host'),
  either('ip', 'address', 'ip', 'IPv6', 'src_addr', 'dst_addr'),
  either('port', 'port', 'port', 'UInt16', 'src_port', 'dst_port'),
  either('as', 'AS', 'as', 'UInt32', 'src_as', 'dst_as'),
  either('country', 'country', 'name', 'String', 'src_country', 'dst_country'),
  either('mac', 'MAC', 'mac', 'UInt64', 'src_mac', 'dst_mac'),
  either('if', 'interface', 'interface', 'UInt32', 'in_if', 'out_if'),
  either('mask', 'prefix length', 'number', 'UInt8', 'src_mask', 'dst_mask'),
  SERVICE,
  net('src_net', 'src network', 'src_addr'),
  net('dst_net', 'dst network', 'dst_addr'),
  ...COLUMNS.filter((column) => column.dimension).map(ofColumn),
]

const byName = new Map(DIMENSIONS.map((dimension) => [dimension.name, dimension]))

/** The dimension of this name. @throws UserError that names the nearest ones. */
export function dimensionNamed(name: string): Dimension {
  const found = byName.get(name) ?? maskedNet(name)
  if (found) return found
  const near = nearest(name, byName.keys())
  const all = [...byName.keys()].join(', ')
  throw new UserError(`“${name}” is not a dimension`, {
    hint: near.length > 0 ? `did you mean ${near.join(' or ')}?` : `there are ${all}`,
  })
}
