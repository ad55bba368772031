import type { ProblemCode } from './ingest.ts'

/** What each problem means and what can be done, in words for the Exporters page. */
export const PROBLEM_TEXTS: Readonly<Record<ProblemCode | 'duplicate', string>> = {
  truncated:
    'The datagram ends before what it announces; what came before the cut was used. Look for a full or fragmenting path to the collector.',
  bad_version: 'Not a version of sFlow (5), NetFlow (1, 5, 7, 9) or IPFIX (10). Choose one of these at the exporter.',
  bad_length: 'A length inside the datagram contradicts the bytes that are there; the part was skipped.',
  bad_template: 'A template that can describe no record (no fields, or lengths that cannot be); it was not taken.',
  template_limit:
    'More templates or sampling rates than are kept for one exporter; one was not taken. The exporter may be invalid or hostile.',
  no_template:
    'Data whose template did not come in time: it was held, then let go. Let the exporter send its templates more often (each minute is usual).',
  pending_dropped:
    'More data waited for its template than is held; the rest was let go. Let the exporter send its templates more often (each minute is usual).',
  session_limit: 'More exporters or observation domains than are kept; this one was not taken in.',
  bad_sample: 'An sFlow sample contradicts its own length; it was skipped.',
  bad_record: 'A record contradicts its own length; it was skipped.',
  duplicate: 'The same datagram came twice. Look for a loop or a mirrored path between exporter and collector.',
  empty: 'A datagram without content.',
  bad_stream:
    'A TCP connection sent something that is no IPFIX message; it was ended. Over TCP only IPFIX is understood: choose it at the exporter.',
  connection_limit: 'More TCP connections than are served at a time, or than from one address; this one was refused.',
  tls_failed:
    'A TLS connection could not be made. Compare the certificates of both sides, and whether the exporter speaks TLS 1.2 or later.',
  unsupported: 'Valid, but of a kind that is not read: it was skipped by its length.',
}

/** The text of a code as a stream counts it: `unknown_structure flow 9999:7` names the structure that nobody knows. */
export function problemText(code: string): string {
  const unknown = /^unknown_structure (.+)$/.exec(code)?.[1]
  if (unknown === 'others')
    return 'sFlow structures that are not known, of more kinds than are counted one by one; they were skipped by their lengths.'
  if (unknown !== undefined)
    return `An sFlow structure that is not known (${unknown}: enterprise and format); it was skipped by its length, the rest was read.`
  return PROBLEM_TEXTS[code as ProblemCode] ?? code
}
