import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { hex, join, tlv, viewOf, xdr } from '../../../test/fixtures/xdr.ts'
import { describeRecord } from './describe.ts'
import { HEADER_PROTOCOL, INTERNAL_PORT, SflowEncoder, SOURCE_CLASS, type SflowEncoderOptions } from './encode.ts'

const AGENT = hex('00000000000000000000ffff 0a8c0101')
const AGENT6 = hex('20010db8000000000000000000000007')

function encoded(options: Partial<SflowEncoderOptions>, write: (encoder: SflowEncoder) => void): Buffer[] {
  const datagrams: Buffer[] = []
  const encoder = new SflowEncoder({ agent: AGENT, subAgent: 3, ...options }, (datagram) =>
    datagrams.push(Buffer.from(datagram)),
  )
  encoder.uptime = 5000
  write(encoder)
  encoder.flush()
  return datagrams
}

/** The records of a counters sample, as the offline decoder tells them. */
function described(write: (encoder: SflowEncoder) => void): object[] {
  const [datagram] = encoded({}, (encoder) => {
    encoder.beginCountersSample(1, SOURCE_CLASS.logicalEntity, 7)
    write(encoder)
    encoder.endSample()
  })
  const bytes = datagram as Buffer
  const view = viewOf(bytes)
  const records: object[] = []
  let at = 28 + 8 + 12
  for (let left = view.getUint32(at), next = at + 4; left > 0; left--) {
    at = next
    const length = view.getUint32(at + 4)
    records.push(describeRecord('counter', view.getUint32(at), view, at + 8, at + 8 + length))
    next = at + 8 + length
    assert.equal(length % 4, 0)
    if (left === 1) assert.equal(next, bytes.length)
  }
  return records
}

test('an expanded flow sample with header and VLAN is, byte by byte, what the specification says', () => {
  const header = hex('525400100001 525400100002 0800 4500')
  const [datagram] = encoded({}, (encoder) => {
    encoder.beginFlowSample(9, SOURCE_CLASS.ifIndex, 12, 400, 123_456, 2, 12, INTERNAL_PORT)
    encoder.sampledHeader(HEADER_PROTOCOL.ethernet, 1518, 4, header, 16)
    encoder.extendedSwitch(120, 1, 120, 0)
    encoder.endSample()
  })
  assert.deepEqual(
    datagram,
    join(
      xdr(5, 1),
      hex('0a8c0101'),
      xdr(3, 1, 5000, 1),
      tlv(
        3,
        join(
          xdr(9, 0, 12, 400, 123_456, 2, 0, 12, 0, 0x3fffffff, 2),
          tlv(1, xdr(1, 1518, 4, header)),
          tlv(1001, xdr(120, 1, 120, 0)),
        ),
      ),
    ),
  )
})

test('a compact flow sample puts class and index, format and port into one word', () => {
  const [datagram] = encoded({ expanded: false, agent: AGENT6 }, (encoder) => {
    encoder.beginFlowSample(1, SOURCE_CLASS.vlan, 70_000, 1, 5, 0, 7, (1 << 30) | 256)
    encoder.sampledIpv4(100, 6, hex('0a000001'), hex('0a000002'), 1234, 80, 0x18, 4)
    encoder.endSample()
    encoder.beginCountersSample(2, SOURCE_CLASS.physicalEntity, 1)
    encoder.endSample()
  })
  assert.deepEqual(
    datagram,
    join(
      xdr(5, 2),
      AGENT6,
      xdr(3, 1, 5000, 2),
      tlv(
        1,
        join(
          xdr(1, (1 << 24) | 70_000, 1, 5, 0, 7, (1 << 30) | 256, 1),
          tlv(3, join(xdr(100, 6), hex('0a0000010a000002'), xdr(1234, 80, 0x18, 4))),
        ),
      ),
      tlv(2, xdr(2, (2 << 24) | 1, 0)),
    ),
  )
})

test('an opaque header is padded with zeros, whatever was there before', () => {
  const [, second] = encoded({ maxBytes: 120 }, (encoder) => {
    for (const fill of [0xff, 0xee]) {
      encoder.beginFlowSample(1, 0, 1, 1, 1, 0, 1, 2)
      encoder.sampledHeader(1, 64, 4, new Uint8Array(8).fill(fill), fill === 0xff ? 8 : 5)
      encoder.endSample()
    }
  })
  assert.deepEqual(second?.subarray(-8), Buffer.from(hex('eeeeeeeeee000000')))
})

test('the host structures come back as they were written', () => {
  const netIo = {
    bytesIn: 2 ** 40 + 7,
    packetsIn: 1,
    errorsIn: 2,
    dropsIn: 3,
    bytesOut: 4,
    packetsOut: 5,
    errorsOut: 6,
    dropsOut: 7,
  }
  const netIoText = {
    bytes_in: 2 ** 40 + 7,
    pkts_in: 1,
    errs_in: 2,
    drops_in: 3,
    bytes_out: 4,
    pkts_out: 5,
    errs_out: 6,
    drops_out: 7,
  }
  const records = described((encoder) => {
    encoder.hostDescr('web-1', hex('00112233445566778899aabbccddeeff'), 3, 2, '6.8')
    encoder.hostAdapters([
      { ifIndex: 11, macs: [hex('525400100001'), hex('525400100002')] },
      { ifIndex: 12, macs: [] },
    ])
    encoder.hostParent(2, 1)
    encoder.hostNetIo(netIo)
    encoder.virtNode(2600, 32, 2 ** 38, 2 ** 37, 9)
    encoder.virtCpu(1, 123_456, 4)
    encoder.virtMemory(2 ** 33, 2 ** 34)
    encoder.virtNetIo(netIo)
    encoder.portName('tap101i0')
  })
  const texts = records.map((record) => JSON.stringify(record))
  assert.match(
    texts[0] as string,
    /"type":"host_descr","hostname":"web-1".*00112233.*"machine_type":3,"os_name":2,"os_release":"6.8"/,
  )
  assert.match(texts[1] as string, /52:54:00:10:00:01.*52:54:00:10:00:02/)
  assert.deepEqual(records[2], { type: 'host_parent', container_type: 2, container_index: 1 })
  assert.deepEqual(Object.values(records[3] as object).slice(1), Object.values(netIoText))
  assert.deepEqual(Object.values(records[4] as object).slice(1), [2600, 32, 2 ** 38, 2 ** 37, 9])
  assert.deepEqual(Object.values(records[5] as object).slice(1), [1, 123_456, 4])
  assert.deepEqual(Object.values(records[6] as object).slice(1), [2 ** 33, 2 ** 34])
  assert.deepEqual(Object.values(records[7] as object).slice(1), Object.values(netIoText))
  assert.match(texts[8] as string, /"port_name":?.*"tap101i0"|tap101i0/)
})

/** 1, 2, 3, … under these names. */
function numbered<Name extends string>(...names: Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name, i) => [name, i + 1])) as Record<Name, number>
}

test('the fields of counter structures stand in the order of the specification', () => {
  const records = described((encoder) => {
    encoder.ifCounters(
      numbered(
        'ifIndex',
        'ifType',
        'ifSpeed',
        'ifDirection',
        'ifStatus',
        'inOctets',
        'inUcastPkts',
        'inMulticastPkts',
        'inBroadcastPkts',
        'inDiscards',
        'inErrors',
        'inUnknownProtos',
        'outOctets',
        'outUcastPkts',
        'outMulticastPkts',
        'outBroadcastPkts',
        'outDiscards',
        'outErrors',
        'promiscuousMode',
      ),
    )
    encoder.ethernetCounters(Array.from({ length: 13 }, (_, i) => i + 1))
    encoder.hostCpu(
      numbered(
        'loadOne',
        'loadFive',
        'loadFifteen',
        'procRun',
        'procTotal',
        'cpuNum',
        'cpuSpeed',
        'uptime',
        'cpuUser',
        'cpuNice',
        'cpuSystem',
        'cpuIdle',
        'cpuWio',
        'cpuIntr',
        'cpuSintr',
        'interrupts',
        'contexts',
        'cpuSteal',
        'cpuGuest',
        'cpuGuestNice',
      ),
    )
    encoder.hostMemory(
      numbered(
        'total',
        'free',
        'shared',
        'buffers',
        'cached',
        'swapTotal',
        'swapFree',
        'pageIn',
        'pageOut',
        'swapIn',
        'swapOut',
      ),
    )
    encoder.hostDiskIo(
      numbered('total', 'free', 'partMaxUsed', 'reads', 'bytesRead', 'readTime', 'writes', 'bytesWritten', 'writeTime'),
    )
    encoder.virtDiskIo(
      numbered(
        'capacity',
        'allocation',
        'available',
        'readRequests',
        'bytesRead',
        'writeRequests',
        'bytesWritten',
        'errors',
      ),
    )
  })
  assert.deepEqual(
    records.map((record) => Object.values(record)[0]),
    ['if_counters', 'ethernet_counters', 'host_cpu', 'host_memory', 'host_disk_io', 'virt_disk_io'],
  )
  for (const record of records) {
    const values = Object.values(record).slice(1)
    assert.deepEqual(
      values,
      values.map((_, i) => i + 1),
    )
  }
  assert.deepEqual(
    records.map((record) => Object.keys(record).length - 1),
    [19, 13, 20, 11, 9, 8],
  )
})

test('samples fill datagrams up to their greatest length, in order, and none is lost', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 60 }),
      fc.integer({ min: 300, max: 1500 }),
      (lengths, maxBytes) => {
        const header = new Uint8Array(400).fill(0xaa)
        const datagrams = encoded({ maxBytes }, (encoder) => {
          for (const [i, length] of lengths.entries()) {
            encoder.beginFlowSample(i, 0, 1, 1, 1, 0, 1, 2)
            encoder.sampledHeader(1, length + 4, 4, header, length)
            encoder.endSample()
          }
        })
        const seen: number[] = []
        for (const [i, datagram] of datagrams.entries()) {
          assert.equal(datagram.readUInt32BE(16), i + 1)
          const count = datagram.readUInt32BE(24)
          assert.ok(datagram.length <= maxBytes || count === 1)
          let at = 28
          for (let s = 0; s < count; s++) {
            seen.push(datagram.readUInt32BE(at + 8))
            at += 8 + datagram.readUInt32BE(at + 4)
          }
          assert.equal(at, datagram.length)
        }
        assert.deepEqual(
          seen,
          lengths.map((_, i) => i),
        )
      },
    ),
  )
})
