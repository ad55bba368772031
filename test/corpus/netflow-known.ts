// Differences with tshark (4.0) that are understood, and why we are right.

export const KNOWN: readonly (readonly [difference: RegExp, reason: string])[] = [
  [/^h3c-data3281\.dat: 16 records, tshark 1 /, 'tshark takes the 2-byte element 43 for an address and gives up'],
  [
    /^field (ipv4RouterSc|samplingAlgorithm|e0\.0|samplingInterval|dstTrafficIndex|srcTrafficIndex|VRFname) \(h3c/,
    'behind that element tshark shows nothing',
  ],
  [/^logstash-invalid01\.dat: 3 records, tshark 0/, 'the header counts 2 of 5 sets; tshark stops there'],
  [/^mikemiles-nf-12\.bin: 1 records, tshark 2/, 'sets 0 and 1 mean nothing in IPFIX; tshark reads them as of v9'],
  [
    /^vflow-ipfix-03-init\.bin: 2 records, tshark 0/,
    'message and set say that they are longer than they are; whole records are read',
  ],
  [/^netgauze-nf9-10-good-template-wire\.bin: 0 records/, 'an options template without fields can have no records'],
  [/^field appHTTP(UriStatistics|Host) \(mikemiles-nf-02/, 'tshark splits these strings'],
  [/^value abstimestart: Jan {2}1, 1970 00:00:00/, 'tshark does not know when the exporter started'],
  [
    /^field (l7ProtoName|applicationName) \(nprobe-dpi/,
    'the field is announced as text and holds other things; tshark shows it up to its first zero',
  ],
  [
    /^value permanent_(octets|packets): .* \(barracuda-data256/,
    'beside the total stands the difference since the last event, 0: that is in the row',
  ],
  [
    /^value (srcport|dstport|protocol): .* \(netgauze-ipfix-12/,
    'the tenant packet is in the row, the outer one in tunnel_*',
  ],
  [
    /^netscaler-tpl\.dat: 3 records of earlier datagrams/,
    'tshark reads no data that comes before its template; logstash reads the same three once it has one',
  ],
]
