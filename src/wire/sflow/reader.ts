// sFlow v5 (sflow.org, "sFlow Version 5", July 2004): a cursor over datagram, samples and records. XDR: big-endian, every item
// padded to 4 bytes. One reader is made once and reused; nothing is allocated, nothing throws, each length is checked
// against what remains, and what is unknown is stepped over by its length.

/** Kinds of sample, by data_format (enterprise << 12 | format). */
export const SAMPLE = {
  flow: 1,
  counters: 2,
  flowExpanded: 3,
  countersExpanded: 4,
  discarded: 5,
  /** InMon's custom metrics, 4300:1002. */
  rtMetric: (4300 << 12) | 1002,
  /** InMon's custom flows, 4300:1003. */
  rtFlow: (4300 << 12) | 1003,
} as const

/** Unknown records of one sample that are remembered by their number. */
const UNKNOWN_REMEMBERED = 8

/** What stopped the reader, as the codes of problems go. */
export type SflowProblem = '' | 'truncated' | 'bad_version' | 'bad_length' | 'bad_sample' | 'bad_record' | 'unsupported'

export class SflowReader {
  view: DataView = new DataView(new ArrayBuffer(0))
  /** First byte behind the datagram. */
  end = 0

  /** Address type: 0 unknown, 1 IPv4, 2 IPv6. */
  agentType = 0
  /** Where the 4 or 16 bytes of the agent's address stand. */
  agentAt = 0
  subAgent = 0
  datagramSequence = 0
  /** Milliseconds since the agent started. */
  uptime = 0
  /** Samples announced that have not been read. */
  samplesLeft = 0

  /** True if the sample's fixed part was whole; false means that the fields below must not be used. */
  headRead = false
  /** True if the datagram ends within this sample, its last: records that are whole can be used, and the one that is `recordCut`. */
  sampleCut = false
  sampleType = 0
  sampleAt = 0
  sampleEnd = 0
  sequence = 0
  /** 0 ifIndex, 1 VLAN, 2 physical entity, 3 logical entity. */
  sourceClass = 0
  sourceIndex = 0
  samplingRate = 0
  samplePool = 0
  drops = 0
  /** Ports as compact words: format in the top 2 bits, value below. A plain ifIndex from an expanded sample keeps its 32 bits. */
  input = 0
  output = 0
  /** Reason code of a discarded packet. */
  reason = 0

  recordsLeft = 0
  recordAt = 0
  recordEnd = 0
  recordType = 0
  /** True if the datagram ends within this record. */
  recordCut = false
  /** Records of unknown structures that whoever reads the records has stepped over (`stepOver`); they also set it back to 0. */
  unknownRecords = 0
  /** The data_formats of the first of them. */
  readonly unknownTypes = new Uint32Array(UNKNOWN_REMEMBERED)
  /** Set when `nextSample` or `nextRecord` answer false although something should follow. */
  problem: SflowProblem = ''
  /** Where, from the start of the view. */
  problemAt = 0

  private at = 0
  private recordsAt = 0

  /**
   * Reads the datagram header; false, with `problem` set, if this is no sFlow v5 datagram.
   *
   *   version 4 (5), agent address { type 4, 4 | 16 }, sub-agent 4, sequence 4, uptime 4, number of samples 4
   */
  start(view: DataView, offset: number, length: number): boolean {
    this.view = view
    this.end = offset + length
    this.samplesLeft = 0
    this.recordsLeft = 0
    this.sampleCut = false
    this.problem = ''
    if (length < 28) return this.stop('truncated', this.end)
    if (view.getUint32(offset) !== 5) return this.stop('bad_version', offset)
    const type = view.getUint32(offset + 4)
    this.agentType = type
    this.agentAt = offset + 8
    let at = offset + 8
    if (type === 1) at += 4
    else if (type === 2) at += 16
    else if (type !== 0) return this.stop('bad_length', offset + 4)
    if (this.end - at < 16) return this.stop('truncated', this.end)
    this.subAgent = view.getUint32(at)
    this.datagramSequence = view.getUint32(at + 4)
    this.uptime = view.getUint32(at + 8)
    this.samplesLeft = view.getUint32(at + 12)
    this.at = at + 16
    return true
  }

  /**
   * Steps to the next sample and reads its head; false at the end or at a problem. A sample of an unknown kind is
   * stepped to as well, with no records. The last sample may be cut off by the end of the datagram (`sampleCut`): after it
   * comes false, and the problem.
   *
   *   data_format 4, length 4, body
   */
  nextSample(): boolean {
    return this.stepSample() && this.readHead()
  }

  /** The first half of `nextSample`: steps to the next sample, whose kind and place are known then, but leaves its head to `readHead`. */
  stepSample(): boolean {
    if (this.samplesLeft <= 0) return this.sampleCut ? this.cutShort() : false
    const view = this.view
    const at = this.at
    const have = this.end - at - 8
    if (have < 0) return this.cutShort()
    let length = view.getUint32(at + 4)
    this.samplesLeft--
    this.sampleType = view.getUint32(at)
    this.sampleAt = at + 8
    if (length > have) {
      length = have
      this.sampleCut = true
      this.samplesLeft = 0
    }
    this.sampleEnd = at + 8 + length
    this.at = this.sampleEnd
    this.recordsLeft = 0
    this.headRead = false
    return true
  }

  /** The second half of `nextSample`. */
  readHead(): boolean {
    const at = this.sampleAt
    switch (this.sampleType) {
      case SAMPLE.flow:
        return this.flowHead(at)
      case SAMPLE.counters:
        return this.countersHead(at)
      case SAMPLE.flowExpanded:
        return this.flowExpandedHead(at)
      case SAMPLE.countersExpanded:
        return this.countersExpandedHead(at)
      case SAMPLE.discarded:
        return this.discardedHead(at)
      default:
        return true
    }
  }

  // struct flow_sample: sequence 4, source { class 8 bits, index 24 bits }, sampling_rate 4, sample_pool 4, drops 4, input 4, output 4, records<>
  private flowHead(at: number): boolean {
    if (this.sampleEnd - at < 32) return this.badSample(at)
    const view = this.view
    this.sequence = view.getUint32(at)
    this.source(view.getUint32(at + 4))
    this.samplingRate = view.getUint32(at + 8)
    this.samplePool = view.getUint32(at + 12)
    this.drops = view.getUint32(at + 16)
    this.input = view.getUint32(at + 20)
    this.output = view.getUint32(at + 24)
    return this.records(at + 28)
  }

  // struct counters_sample: sequence 4, source 4, records<>
  private countersHead(at: number): boolean {
    if (this.sampleEnd - at < 12) return this.badSample(at)
    this.sequence = this.view.getUint32(at)
    this.source(this.view.getUint32(at + 4))
    return this.records(at + 8)
  }

  // struct flow_sample_expanded: sequence 4, ds_class 4, ds_index 4, sampling_rate 4, sample_pool 4, drops 4, input { format 4, value 4 }, output 8, records<>
  private flowExpandedHead(at: number): boolean {
    if (this.sampleEnd - at < 44) return this.badSample(at)
    const view = this.view
    this.sequence = view.getUint32(at)
    this.sourceClass = view.getUint32(at + 4)
    this.sourceIndex = view.getUint32(at + 8)
    this.samplingRate = view.getUint32(at + 12)
    this.samplePool = view.getUint32(at + 16)
    this.drops = view.getUint32(at + 20)
    this.input = compactPort(view.getUint32(at + 24), view.getUint32(at + 28))
    this.output = compactPort(view.getUint32(at + 32), view.getUint32(at + 36))
    return this.records(at + 40)
  }

  // struct counters_sample_expanded: sequence 4, ds_class 4, ds_index 4, records<>
  private countersExpandedHead(at: number): boolean {
    if (this.sampleEnd - at < 16) return this.badSample(at)
    this.sequence = this.view.getUint32(at)
    this.sourceClass = this.view.getUint32(at + 4)
    this.sourceIndex = this.view.getUint32(at + 8)
    return this.records(at + 12)
  }

  // struct discarded_packet: sequence 4, ds_class 4, ds_index 4, drops 4, input 4, output 4, reason 4, records<>
  private discardedHead(at: number): boolean {
    if (this.sampleEnd - at < 32) return this.badSample(at)
    const view = this.view
    this.sequence = view.getUint32(at)
    this.sourceClass = view.getUint32(at + 4)
    this.sourceIndex = view.getUint32(at + 8)
    this.drops = view.getUint32(at + 12)
    this.input = view.getUint32(at + 16)
    this.output = view.getUint32(at + 20)
    this.reason = view.getUint32(at + 24)
    return this.records(at + 28)
  }

  private source(word: number): void {
    this.sourceClass = word >>> 24
    this.sourceIndex = word & 0xffffff
  }

  private records(at: number): boolean {
    this.recordsAt = at
    this.headRead = true
    this.rewindRecords()
    return true
  }

  /** Starts the sample's records again from the first. */
  rewindRecords(): void {
    this.recordsLeft = this.view.getUint32(this.recordsAt)
    this.recordEnd = this.recordsAt + 4
  }

  /**
   * Steps to the next record of the sample: its body is `recordAt` to `recordEnd`. False at the end or at a problem.
   *
   *   data_format 4, length 4, body
   */
  nextRecord(): boolean {
    if (this.recordsLeft <= 0) return false
    const at = this.recordEnd
    const have = this.sampleEnd - at
    if (have < 8) return this.badRecord(at)
    let length = this.view.getUint32(at + 4)
    this.recordCut = false
    if (length > have - 8) {
      if (!this.sampleCut) return this.badRecord(at)
      length = have - 8
      this.recordCut = true
      this.recordsLeft = 1
    }
    this.recordsLeft--
    this.recordType = this.view.getUint32(at)
    this.recordAt = at + 8
    // XDR pads to 4 bytes; agents exist that leave the pad out of the length of the last record
    const padded = (length + 3) & ~3
    this.recordEnd = at + 8 + (padded > have - 8 ? length : padded)
    return true
  }

  /** Takes note of a record of an unknown structure. */
  stepOver(type: number): void {
    if (this.unknownRecords < UNKNOWN_REMEMBERED) this.unknownTypes[this.unknownRecords] = type
    this.unknownRecords++
  }

  private cutShort(): boolean {
    this.samplesLeft = 0
    this.sampleCut = false
    return this.stop('truncated', this.end)
  }

  private badSample(at: number): boolean {
    // In a sample that is cut off nothing contradicts anything
    if (this.sampleCut) return this.cutShort()
    this.problem = 'bad_sample'
    this.problemAt = at
    // The next sample's place is known from this one's length
    return true
  }

  private badRecord(at: number): boolean {
    this.recordsLeft = 0
    if (this.sampleCut) return false
    return this.stop('bad_record', at)
  }

  private stop(problem: SflowProblem, at: number): boolean {
    this.problem = problem
    this.problemAt = at
    return false
  }
}

/** A port of an expanded sample as one word: formats 1 to 3 in the top bits; a plain ifIndex as it is. */
export function compactPort(format: number, value: number): number {
  return format === 0 ? value : (((format & 3) << 30) | (value & 0x3fffffff)) >>> 0
}

/** True if samples of this kind describe packets. */
export function isFlowSample(type: number): boolean {
  return type === SAMPLE.flow || type === SAMPLE.flowExpanded || type === SAMPLE.discarded
}

/** True if samples of this kind hold counters. */
export function isCounterSample(type: number): boolean {
  return type === SAMPLE.counters || type === SAMPLE.countersExpanded
}
