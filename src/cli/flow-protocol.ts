import { NETFLOW1_HEADER, NETFLOW1_RECORD } from '../wire/netflow5/layout.ts'

/**
 * Which decoder a UDP payload is for, by its content: the version word, and for NetFlow the record count or the first
 * set identifier, so that other traffic of a capture is told apart. A wrong or cut flow export still counts as one.
 */
export function flowProtocol(bytes: Uint8Array): 'sflow' | 'netflow' | '' {
  if (bytes.length < 4) return ''
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (view.getUint32(0) === 5) return 'sflow'
  if (bytes.length < 16) return ''
  switch (view.getUint16(0)) {
    case 1: {
      // STUN and others start so too: only what is exactly as long as its records
      const count = view.getUint16(2)
      return count > 0 && bytes.length === NETFLOW1_HEADER + count * NETFLOW1_RECORD.minLength ? 'netflow' : ''
    }
    case 5:
    case 7: {
      // Records in a datagram: 30 at most by the format's authors, more in the wild
      const count = view.getUint16(2)
      return count > 0 && count <= 256 ? 'netflow' : ''
    }
    case 9:
      return bytes.length < 24 || isSet(view.getUint16(20), 0, 1) ? 'netflow' : ''
    case 10:
      return bytes.length < 20 || isSet(view.getUint16(16), 2, 3) ? 'netflow' : ''
    default:
      return ''
  }
}

/** Set identifiers: template, options template, and data from 256 on (RFC 3954 §5.2, RFC 7011 §3.3.2). */
function isSet(id: number, template: number, options: number): boolean {
  return id === template || id === options || id >= 256
}
