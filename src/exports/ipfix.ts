/**
 * IPFIX (RFC 7011), both ways, with the elements of IANA and of the enterprises that are in the field.
 *
 * - `createNetflowReader()`: messages → plain objects that JSON.stringify takes; it takes NetFlow too, and keeps templates.
 * - `createNetflowIngest()` with `createColumnDecoder()`: messages → typed-array columns, without an object a flow.
 * - `readIpfixFile()`: an IPFIX file (RFC 5655) → its messages. `MessageFramer`: the pieces of a TCP stream → its messages.
 * - `IpfixEncoder`: templates and records → messages.
 *
 * Nothing here throws on what it reads from the network: what is wrong comes back as a problem, with the offset in bytes. What is
 * kept between messages (templates, data that waits for them) is bounded.
 * @module
 */
export * from './sessions.ts'

export { IpfixEncoder, type IpfixEncoderOptions, type IpfixField, type IpfixTemplate } from '../wire/ipfix/encode.ts'
export { recordLength } from '../wire/set-writer.ts'

export { isIpfixFile, readIpfixFile, type FiledMessage } from '../capture/ipfix-file.ts'
export type { CaptureProblem } from '../capture/pcap-file.ts'
export { MessageFramer, type MessageHandler } from '../collect/tcp-frames.ts'
