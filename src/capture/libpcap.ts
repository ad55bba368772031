import { OperatorError } from '../base/errors.ts'
import { loadKoffi } from '../base/libc.ts'

// What is needed of libpcap (pcap(3PCAP)), and of the C library's files in memory. Memory is given by its address, as a number.

export interface Libpcap {
  readonly address: (buffer: ArrayBuffer) => number
  readonly view: (address: bigint, length: number) => ArrayBuffer
  readonly openDead: (link: number, snap: number) => unknown
  readonly create: (device: string, message: number) => unknown
  readonly setSnapshotLength: (handle: unknown, bytes: number) => number
  readonly setPromiscuous: (handle: unknown, isPromiscuous: number) => number
  readonly setTimeout: (handle: unknown, milliseconds: number) => number
  readonly setBufferSize: (handle: unknown, bytes: number) => number
  readonly setPrecision: (handle: unknown, isNanoseconds: number) => number
  readonly setNonBlocking: (handle: unknown, isNonBlocking: number, message: number) => number
  readonly activate: (handle: unknown) => number
  readonly precision: (handle: unknown) => number
  readonly linkType: (handle: unknown) => number
  readonly setLinkType: (handle: unknown, link: number) => number
  readonly linkTypeName: (link: number) => string | null
  readonly compile: (handle: unknown, program: number, text: string, optimize: number, netmask: number) => number
  readonly setFilter: (handle: unknown, program: number) => number
  readonly freeCode: (program: number) => void
  /** Hands up to so many packets to `callback(user, …)`. */
  readonly dispatch: (handle: unknown, count: number, callback: bigint, user: unknown) => number
  /** Address of `pcap_dump`, a callback whose user is a dump file. */
  readonly dump: bigint
  readonly dumpOpen: (handle: unknown, file: unknown) => unknown
  readonly stats: (handle: unknown, counts: number) => number
  readonly errorOf: (handle: unknown) => string
  readonly statusText: (status: number) => string
  readonly close: (handle: unknown) => void
  readonly fileInMemory: (bytes: number, length: number, mode: string) => unknown
  readonly flush: (file: unknown) => number
  readonly tell: (file: unknown) => number
  readonly rewind: (file: unknown) => void
  readonly closeFile: (file: unknown) => number
}

/** Bound once: a binding stays in memory for good, and a device that is away is tried again and again. */
let bound: Libpcap | undefined

/** @param purpose such as “packet filters need”. @throws OperatorError `capture_unavailable` */
export function loadLibpcap(purpose: string): Libpcap {
  return (bound ??= bind(purpose))
}

function bind(purpose: string): Libpcap {
  const code = 'capture_unavailable'
  const koffi = loadKoffi(code, 'libpcap can’t be used')
  const c = koffi.load(null)
  let pcap: ReturnType<typeof koffi.load>
  try {
    pcap = koffi.load('libpcap.so.0.8')
  } catch (cause) {
    throw new OperatorError(code, `${purpose} the library libpcap, which is not installed`, {
      hint: 'apt-get install libpcap0.8',
      cause,
    })
  }
  return {
    address: (buffer) => Number(koffi.address(buffer)),
    view: (address, length) => koffi.view(address, length),
    openDead: pcap.func('void *pcap_open_dead(int, int)') as Libpcap['openDead'],
    create: pcap.func('void *pcap_create(str, uintptr_t)') as Libpcap['create'],
    setSnapshotLength: pcap.func('int pcap_set_snaplen(void *, int)') as Libpcap['setSnapshotLength'],
    setPromiscuous: pcap.func('int pcap_set_promisc(void *, int)') as Libpcap['setPromiscuous'],
    setTimeout: pcap.func('int pcap_set_timeout(void *, int)') as Libpcap['setTimeout'],
    setBufferSize: pcap.func('int pcap_set_buffer_size(void *, int)') as Libpcap['setBufferSize'],
    setPrecision: pcap.func('int pcap_set_tstamp_precision(void *, int)') as Libpcap['setPrecision'],
    setNonBlocking: pcap.func('int pcap_setnonblock(void *, int, uintptr_t)') as Libpcap['setNonBlocking'],
    activate: pcap.func('int pcap_activate(void *)') as Libpcap['activate'],
    precision: pcap.func('int pcap_get_tstamp_precision(void *)') as Libpcap['precision'],
    linkType: pcap.func('int pcap_datalink(void *)') as Libpcap['linkType'],
    setLinkType: pcap.func('int pcap_set_datalink(void *, int)') as Libpcap['setLinkType'],
    linkTypeName: pcap.func('str pcap_datalink_val_to_name(int)') as Libpcap['linkTypeName'],
    compile: pcap.func('int pcap_compile(void *, uintptr_t, str, int, uint32_t)') as Libpcap['compile'],
    setFilter: pcap.func('int pcap_setfilter(void *, uintptr_t)') as Libpcap['setFilter'],
    freeCode: pcap.func('void pcap_freecode(uintptr_t)') as Libpcap['freeCode'],
    dispatch: pcap.func('int pcap_dispatch(void *, int, uintptr_t, void *)') as Libpcap['dispatch'],
    dump: pcap.symbol('pcap_dump') as bigint,
    dumpOpen: pcap.func('void *pcap_dump_fopen(void *, void *)') as Libpcap['dumpOpen'],
    stats: pcap.func('int pcap_stats(void *, uintptr_t)') as Libpcap['stats'],
    errorOf: pcap.func('str pcap_geterr(void *)') as Libpcap['errorOf'],
    statusText: pcap.func('str pcap_statustostr(int)') as Libpcap['statusText'],
    close: pcap.func('void pcap_close(void *)') as Libpcap['close'],
    fileInMemory: c.func('void *fmemopen(uintptr_t, size_t, str)') as Libpcap['fileInMemory'],
    flush: c.func('int fflush(void *)') as Libpcap['flush'],
    tell: c.func('long ftell(void *)') as Libpcap['tell'],
    rewind: c.func('void rewind(void *)') as Libpcap['rewind'],
    closeFile: c.func('int fclose(void *)') as Libpcap['closeFile'],
  }
}

const MESSAGE_BYTES = 256

/** Room for the message of a call, and what was written there. */
export function messageRoom(pcap: Libpcap): { readonly at: number; text(): string } {
  const bytes = new Uint8Array(MESSAGE_BYTES)
  return {
    at: pcap.address(bytes.buffer),
    text: () => Buffer.from(bytes.subarray(0, Math.max(0, bytes.indexOf(0)))).toString('utf8'),
  }
}
