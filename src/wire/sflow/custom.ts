// InMon's custom samples (enterprise 4300): metrics and flows under names that an application gives them. As host-sflow writes them:
//
//   rtmetric 4300:1002  data source string, { name string, type 4, value }<>
//   rtflow   4300:1003  data source string, sampling rate 4, sample pool 4, { name string, type 4, value }<>
//
// A type that is not known has an unknown length: there reading ends.
import { ipText, macText } from '../../base/address.ts'

/** Of a field: what the specification of names allows, bounded for those who send more. */
const MOST_NAME = 255
/** Fields of one sample; a datagram has room for fewer. */
const MOST_FIELDS = 8192

const TEXT = new TextDecoder()
const METRIC_TYPES = ['string', 'counter32', 'counter64', 'gauge32', 'gauge64', 'float', 'double'] as const
const FLOW_TYPES = ['string', 'mac', 'ip', 'ip6', 'int32', 'int64', 'float', 'double'] as const

export type CustomType = (typeof METRIC_TYPES)[number] | (typeof FLOW_TYPES)[number]

export interface CustomField {
  readonly name: string
  readonly type: CustomType
  readonly value: number | string
}

export interface CustomSample {
  readonly dataSource: string
  /** Of an rtflow; 0 otherwise. */
  readonly samplingRate: number
  readonly samplePool: number
  readonly fields: readonly CustomField[]
  /** False if the sample contradicts itself or holds a type that is not known; `fields` is what came before. */
  readonly whole: boolean
}

/** Reads an rtmetric or rtflow, its body from `at` to `end`. Whole numbers beyond 2⁵³ lose their last digits. */
export function readCustom(kind: 'rtmetric' | 'rtflow', view: DataView, at: number, end: number): CustomSample {
  const reader = new Reader(view, at, end)
  const dataSource = reader.text()
  const samplingRate = kind === 'rtflow' ? reader.u32() : 0
  const samplePool = kind === 'rtflow' ? reader.u32() : 0
  const types: readonly CustomType[] = kind === 'rtflow' ? FLOW_TYPES : METRIC_TYPES
  const fields: CustomField[] = []
  const count = Math.min(reader.u32(), MOST_FIELDS)
  while (fields.length < count && !reader.over) {
    const name = reader.text()
    const type = types[reader.u32()]
    if (type === undefined) reader.over = true
    if (type === undefined || reader.over) break
    const value = reader.value(type)
    if (!reader.over) fields.push({ name, type, value })
  }
  return { dataSource, samplingRate, samplePool, fields, whole: !reader.over && fields.length === count }
}

class Reader {
  over = false
  readonly #view: DataView
  #at: number
  readonly #end: number

  constructor(view: DataView, at: number, end: number) {
    this.#view = view
    this.#at = at
    this.#end = end
  }

  u32(): number {
    const at = this.#take(4)
    return at < 0 ? 0 : this.#view.getUint32(at)
  }

  text(): string {
    const length = this.u32()
    const at = this.#take(length)
    if (at < 0) return ''
    this.#at = Math.min(this.#end, at + ((length + 3) & ~3))
    const shown = Math.min(length, MOST_NAME)
    return TEXT.decode(this.#bytes(at, shown)).replaceAll('\0', '')
  }

  value(type: CustomType): number | string {
    switch (type) {
      case 'string':
        return this.text()
      case 'mac': {
        const at = this.#take(8)
        return at < 0 ? '' : macText(this.#view.getUint16(at) * 0x1_0000_0000 + this.#view.getUint32(at + 2))
      }
      case 'ip': {
        const at = this.#take(4)
        return at < 0 ? '' : this.#bytes(at, 4).join('.')
      }
      case 'ip6': {
        const at = this.#take(16)
        return at < 0 ? '' : ipText(this.#bytes(at, 16))
      }
      case 'counter32':
      case 'gauge32':
        return this.u32()
      case 'counter64':
      case 'gauge64':
        return this.u32() * 0x1_0000_0000 + this.u32()
      case 'int32':
        return this.u32() | 0
      case 'int64':
        return (this.u32() | 0) * 0x1_0000_0000 + this.u32()
      case 'float': {
        const at = this.#take(4)
        return at < 0 ? 0 : Number(this.#view.getFloat32(at).toPrecision(7))
      }
      case 'double': {
        const at = this.#take(8)
        return at < 0 ? 0 : this.#view.getFloat64(at)
      }
    }
  }

  #bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + at, length).slice()
  }

  #take(length: number): number {
    const at = this.#at
    if (this.over || length > this.#end - at) {
      this.over = true
      return -1
    }
    this.#at = at + length
    return at
  }
}
