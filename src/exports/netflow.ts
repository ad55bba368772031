/**
 * NetFlow versions 5, 7 and 9 (Cisco; RFC 3954), both ways.
 *
 * - `createNetflowReader()`: datagrams → plain objects that JSON.stringify takes; it takes IPFIX too, and keeps templates.
 * - `createNetflowIngest()` with `createColumnDecoder()`: datagrams → typed-array columns, without an object a flow.
 * - `Netflow5Encoder`, `Netflow9Encoder`: flows → datagrams.
 *
 * Nothing here throws on what it reads from the network: what is wrong comes back as a problem, with the offset in bytes. What is
 * kept between datagrams (templates, data that waits for them) is bounded.
 * @module
 */
export * from './sessions.ts'

export {
  Netflow5Encoder,
  SAMPLING_MODE,
  type Netflow5EncoderOptions,
  type Netflow5Record,
} from '../wire/netflow5/encode.ts'
export {
  Netflow9Encoder,
  SCOPE,
  type Netflow9EncoderOptions,
  type Netflow9Field,
  type Netflow9Template,
} from '../wire/netflow9/encode.ts'
export { recordLength } from '../wire/set-writer.ts'
