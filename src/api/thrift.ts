// Structs of Thrift's compact protocol, as far as Parquet needs them (thrift-compact-protocol.md).

const I32 = 5
const I64 = 6
const BINARY = 8
const LIST = 9
const STRUCT = 12

/** A struct of Thrift's compact protocol, field by field in rising order. */
export class Thrift {
  private readonly bytes: number[] = []
  private last = 0

  i32(id: number, value: number): this {
    return this.field(id, I32).varint(value)
  }

  i64(id: number, value: number): this {
    return this.field(id, I64).varint(value)
  }

  text(id: number, value: string): this {
    return this.field(id, BINARY).raw(value)
  }

  struct(id: number, fill: (inner: Thrift) => Thrift): this {
    this.field(id, STRUCT)
    return this.append(fill(new Thrift()).end())
  }

  structs(id: number, fills: readonly ((inner: Thrift) => Thrift)[]): this {
    this.list(id, STRUCT, fills.length)
    for (const fill of fills) this.append(fill(new Thrift()).end())
    return this
  }

  i32s(id: number, values: readonly number[]): this {
    this.list(id, I32, values.length)
    for (const value of values) this.varint(value)
    return this
  }

  texts(id: number, values: readonly string[]): this {
    this.list(id, BINARY, values.length)
    for (const value of values) this.raw(value)
    return this
  }

  end(): Buffer {
    return Buffer.from([...this.bytes, 0])
  }

  private field(id: number, type: number): this {
    this.bytes.push(((id - this.last) << 4) | type)
    this.last = id
    return this
  }

  private list(id: number, type: number, size: number): void {
    this.field(id, LIST)
    if (size < 15) this.bytes.push((size << 4) | type)
    else this.bytes.push(0xf0 | type, ...varint(BigInt(size)))
  }

  /** Whole numbers are written zigzag. */
  private varint(value: number): this {
    this.bytes.push(...varint(BigInt(value) * 2n))
    return this
  }

  private raw(text: string): this {
    const bytes = Buffer.from(text)
    this.bytes.push(...varint(BigInt(bytes.length)))
    return this.append(bytes)
  }

  private append(bytes: Uint8Array): this {
    for (const byte of bytes) this.bytes.push(byte)
    return this
  }
}

/** A whole number that is not negative, seven bits a byte, the lowest first. */
export function varint(value: bigint): number[] {
  const bytes: number[] = []
  let rest = value
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return bytes
}
