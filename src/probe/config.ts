import type { MirrorChoice } from '../capture/mirror-choice.ts'
import type { CaptureServerConfig } from '../recording/capture-server.ts'
import { readSections, type Attribute, type Place, type Problem, type Section } from './sections.ts'
import {
  AGENT,
  CAPTURE_DEVICES,
  COLLECTOR_IP,
  COLLECTOR_PORT,
  COUNTERS,
  DEVICE,
  FILTER,
  FIRST_INDEX,
  FIRST_SUB_AGENT,
  HEADER_BYTES,
  IF_INDEX,
  LEARN,
  LISTEN,
  MAC,
  MOST_BYTES,
  MOST_CAPTURES,
  MOST_SECONDS,
  MOST_SNAPSHOT,
  NAME,
  OVSDB,
  POLLING,
  PORT_DEVICE,
  PROMISCUOUS,
  RATE,
  SAMPLING,
  SECRET_FILE,
  SPEED,
  TAGGED,
  TYPE,
  UNWRAP,
  type Setting,
} from './settings.ts'

// What vsprobed.conf says: InMon's settings with their defaults, and a few of our own.

export interface PortConfig {
  readonly kind: 'uplink' | 'virtual'
  /** 48-bit number. */
  readonly mac: number
  /** Bits a second; 0 if unknown. */
  readonly ifSpeed: number
  /** IANA ifType; 6 is Ethernet. */
  readonly ifType: number
  /** Whether frames have their VLAN tag on this port: it is counted then. Mirrors often show tags that an access port takes off. */
  readonly isTagged: boolean
  /** Told as the port's name, if there is one. */
  readonly name: string
  /** The kernel's device for it, where the probe runs on the hypervisor; '' if that is to be found out. */
  readonly device: string
}

export interface SwitchConfig {
  readonly device: string
  readonly headerBytes: number
  readonly promiscuous: boolean
  /** Packets that are monitored, in tcpdump's words; all if empty. */
  readonly filter: string
  /** What carries the switch's frames to the device; they come as they are if it is empty. */
  readonly unwrap: readonly MirrorChoice[]
  /** Ports are found by themselves, beside those that are listed. */
  readonly learn: boolean
  /** Who chooses the frames that are sampled: the probe among all of them, or the kernel, which then shows no others. */
  readonly sampling: 'probe' | 'kernel'
  /** Counted from the frames, or the kernel's own of each port's device. */
  readonly counters: 'frames' | 'kernel'
  /** Ports are numbered in the order of the file, or as the kernel numbers their devices. */
  readonly ifIndex: 'file' | 'kernel'
  /** Socket of Open vSwitch's database. */
  readonly ovsdb: string
  /** In the order of the file, which is that of their numbers. */
  readonly ports: readonly PortConfig[]
}

/** Captures that the probe makes for others: none unless there is a section for them. */
export interface CapturesConfig {
  readonly host: string
  readonly port: number
  readonly secretFile: string
  readonly devices: readonly string[]
  /** The most that one capture takes, and how many there may be at a time. */
  readonly most: CaptureServerConfig['most']
}

/** Unless something else is said. */
export const USUAL_MOST: CapturesConfig['most'] = {
  bytes: 10_000_000,
  seconds: 60,
  snapshotLength: 262_144,
  captures: 1,
}

export interface ProbeConfig {
  /** 16 bytes, IPv4 mapped. */
  readonly agent: Uint8Array
  readonly samplingRate: number
  /** Seconds. */
  readonly pollingInterval: number
  readonly firstIfIndex: number
  readonly firstSubAgentId: number
  readonly collectors: readonly { readonly host: string; readonly port: number }[]
  readonly switches: readonly SwitchConfig[]
  readonly captures: CapturesConfig | undefined
}

export interface ParsedConfig {
  /** Undefined if there are problems. */
  readonly config: ProbeConfig | undefined
  readonly problems: readonly Problem[]
}

/** Reads a configuration file; every problem comes with its place. */
export function parseProbeConfig(source: string): ParsedConfig {
  const { root, problems } = readSections(source)
  const fail = (place: Place, message: string): void =>
    void problems.push({ line: place.line, column: place.column, message })

  /** Attributes of a section by setting; those that are none of its own are problems. */
  function settings(
    section: Section,
    known: readonly Setting<unknown>[],
    sections: readonly string[],
  ): <T>(setting: Setting<T>) => T | undefined {
    const taken = new Map<Setting<unknown>, Attribute>()
    for (const attribute of section.attributes) {
      const setting = known.find(({ names }) => names.includes(attribute.name.toLowerCase()))
      const before = setting && taken.get(setting)
      if (!setting) {
        const names = known.flatMap((k) => k.names).join(', ')
        fail(
          attribute,
          `“${attribute.name}” is no setting of “${section.name}”: expected ${names === '' ? 'none' : names}`,
        )
      } else if (before) fail(attribute, `“${attribute.name}” is set twice: first on line ${before.line}`)
      else taken.set(setting, attribute)
    }
    for (const inner of section.sections)
      if (!sections.includes(inner.name.toLowerCase()))
        fail(
          inner,
          `there is no section “${inner.name}” in “${section.name || 'the file'}”: expected ${sections.length === 0 ? 'none' : sections.join(', ')}`,
        )
    return <T>(setting: Setting<T>): T | undefined => {
      const attribute = taken.get(setting)
      if (!attribute) return undefined
      const value = setting.read(attribute.value)
      if (value === undefined)
        fail(
          attribute.valueAt,
          `“${attribute.value}” is not right for “${attribute.name}”: expected ${setting.expected}`,
        )
      return value
    }
  }
  const named = (section: Section, name: string): Section[] =>
    section.sections.filter((inner) => inner.name.toLowerCase() === name)
  function required<T>(section: Section, value: T | undefined, setting: Setting<T>, instead: T): T {
    const isSet = section.attributes.some(({ name }) => setting.names.includes(name.toLowerCase()))
    if (value === undefined && !isSet)
      fail(section, `“${section.name}” has no “${setting.names[0]}”: expected ${setting.expected}`)
    return value ?? instead
  }

  function failAt(section: Section, setting: Setting<unknown>, message: string): void {
    fail(section.attributes.find(({ name }) => setting.names.includes(name.toLowerCase()))?.valueAt ?? section, message)
  }

  settings(root, [], ['sflow', 'capture'])
  const [sflow, another] = named(root, 'sflow')
  if (another) fail(another, 'there is a second section “sflow”: expected one')
  if (!sflow) {
    if (problems.length === 0) fail(root, 'there is no section “sflow”')
    return { config: undefined, problems: sorted(problems) }
  }
  const get = settings(sflow, [AGENT, RATE, POLLING, FIRST_INDEX, FIRST_SUB_AGENT], ['collector', 'virtualswitch'])
  const collectors = named(sflow, 'collector').map((section) => {
    const of = settings(section, [COLLECTOR_IP, COLLECTOR_PORT], [])
    return { host: required(section, of(COLLECTOR_IP), COLLECTOR_IP, ''), port: of(COLLECTOR_PORT) ?? 6343 }
  })
  if (collectors.length === 0) fail(sflow, '“sflow” has no section “collector”: nothing would be sent')
  const seen = new Map<number, Attribute>()
  const devices = new Map<string, Section>()
  const switches = named(sflow, 'virtualswitch').map((section) => switchOf(section))
  if (switches.length === 0) fail(sflow, '“sflow” has no section “virtualswitch”: nothing would be monitored')

  function switchOf(section: Section): SwitchConfig {
    const of = settings(section, [LEARN, SAMPLING, COUNTERS, IF_INDEX, OVSDB], ['pcap', 'uplink', 'virtualinterface'])
    const [pcap, second] = named(section, 'pcap')
    if (second) fail(second, 'there is a second section “pcap” in this switch: expected one')
    if (!pcap) fail(section, '“virtualswitch” has no section “pcap”, which names its device')
    const from = pcap && settings(pcap, [DEVICE, HEADER_BYTES, PROMISCUOUS, FILTER, UNWRAP], [])
    const device = pcap && from ? required(pcap, from(DEVICE), DEVICE, '') : ''
    const other = devices.get(device)
    if (pcap && device !== '' && other)
      fail(pcap, `the device ${device} is that of the switch of line ${other.line} already`)
    devices.set(device, section)
    const ports = section.sections.flatMap((inner): PortConfig[] => {
      const kind = { uplink: 'uplink', virtualinterface: 'virtual' }[inner.name.toLowerCase()] as
        | PortConfig['kind']
        | undefined
      return kind ? [portOf(inner, kind)] : []
    })
    const learn = of(LEARN) ?? false
    if (ports.length === 0 && !learn)
      fail(section, '“virtualswitch” has no ports: expected “uplink” and “virtualinterface” sections, or learn = on')
    const sampling = of(SAMPLING) ?? 'probe'
    const counters = of(COUNTERS) ?? 'frames'
    const ifIndex = of(IF_INDEX) ?? 'file'
    const unwrap = from?.(UNWRAP) ?? []
    if (sampling === 'kernel' && counters === 'frames')
      failAt(
        section,
        SAMPLING,
        'frames that the kernel does not show can’t be counted: expected counters = kernel beside sampling = kernel',
      )
    if (pcap && unwrap.length > 0 && (counters === 'kernel' || ifIndex === 'kernel'))
      failAt(
        pcap,
        UNWRAP,
        'what comes in a mirror crossed the switch of another machine: expected no counters = kernel and no ifindex = kernel',
      )
    return {
      device,
      headerBytes: from?.(HEADER_BYTES) ?? 128,
      promiscuous: from?.(PROMISCUOUS) ?? true,
      filter: from?.(FILTER) ?? '',
      unwrap,
      learn,
      sampling,
      counters,
      ifIndex,
      ovsdb: of(OVSDB) ?? '/var/run/openvswitch/db.sock',
      ports,
    }
  }

  function portOf(section: Section, kind: PortConfig['kind']): PortConfig {
    const of = settings(section, [MAC, SPEED, TYPE, TAGGED, NAME, PORT_DEVICE], [])
    const mac = required(section, of(MAC), MAC, 0)
    const attribute = section.attributes.find(({ name }) => name.toLowerCase() === 'mac')
    const before = seen.get(mac)
    if (attribute && mac !== 0) {
      if (before) fail(attribute.valueAt, `the MAC address ${attribute.value} is that of line ${before.line} already`)
      seen.set(mac, attribute)
    }
    return {
      kind,
      mac,
      ifSpeed: of(SPEED) ?? 0,
      ifType: of(TYPE) ?? 6,
      isTagged: of(TAGGED) ?? kind === 'uplink',
      name: of(NAME) ?? '',
      device: of(PORT_DEVICE) ?? '',
    }
  }

  const [capture, moreCapture] = named(root, 'capture')
  if (moreCapture) fail(moreCapture, 'there is a second section “capture”: expected one')
  const captures = capture && capturesOf(capture)

  function capturesOf(section: Section): CapturesConfig {
    const of = settings(
      section,
      [LISTEN, SECRET_FILE, CAPTURE_DEVICES, MOST_BYTES, MOST_SECONDS, MOST_CAPTURES, MOST_SNAPSHOT],
      [],
    )
    return {
      ...required(section, of(LISTEN), LISTEN, { host: '', port: 0 }),
      secretFile: required(section, of(SECRET_FILE), SECRET_FILE, ''),
      devices: of(CAPTURE_DEVICES) ?? switches.map(({ device }) => device),
      most: {
        bytes: of(MOST_BYTES) ?? USUAL_MOST.bytes,
        seconds: of(MOST_SECONDS) ?? USUAL_MOST.seconds,
        snapshotLength: of(MOST_SNAPSHOT) ?? USUAL_MOST.snapshotLength,
        captures: of(MOST_CAPTURES) ?? USUAL_MOST.captures,
      },
    }
  }

  const config: ProbeConfig = {
    agent: required(sflow, get(AGENT), AGENT, new Uint8Array(16)),
    samplingRate: get(RATE) ?? 400,
    pollingInterval: get(POLLING) ?? 30,
    firstIfIndex: get(FIRST_INDEX) ?? 1,
    firstSubAgentId: get(FIRST_SUB_AGENT) ?? 0,
    collectors,
    switches,
    captures,
  }
  return { config: problems.length === 0 ? config : undefined, problems: sorted(problems) }
}

function sorted(problems: readonly Problem[]): Problem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
}
