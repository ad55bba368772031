import { Option, type Command } from 'commander'
import { createDatagramSender } from '../base/datagram-sender.ts'
import { UserError } from '../base/errors.ts'
import { meterDevices } from './meter-devices.ts'
import { meterFiles } from './meter-files.ts'
import {
  parseCollectors,
  parseDevice,
  parseListen,
  parseTimeout,
  parseTrack,
  parseUnwrap,
  parseVersion,
  wholeBetween,
  type MeterOptions,
} from './meter-options.ts'

const MEGABYTE = 1 << 20

export function addMeter(program: Command): void {
  program
    .command('meter')
    .description('Meters packets into flows and exports them as NetFlow v5, v9 or IPFIX.')
    .argument('[filter...]', 'meter only the packets of this filter, in tcpdump’s words')
    .option(
      '-i, --interface <[index:]device>',
      'live device, repeatable: an interface, any, nflog:GROUP, pcap:DEVICE (by libpcap)',
      parseDevice,
      [],
    )
    .option(
      '-r, --read <file>',
      'pcap or pcapng file, packed by gzip or zstd or not, - for standard input, repeatable',
      (file: string, before: string[]) => [...before, file],
      [],
    )
    .option('-n, --collector <host:port>', 'where the flows go, repeatable or with commas', parseCollectors, [])
    .option('-v, --netflow <version>', '5, 9 or 10 (IPFIX)', parseVersion, 10)
    .option(
      '-m, --max-flows <n>',
      'flows held at once; beyond, the longest at rest ends',
      wholeBetween(16, 1 << 24),
      262_144,
    )
    .option(
      '-t, --timeout <name=time>',
      'end a flow after: maxlife 300 s of activity (in pieces), at rest tcp 60, tcp.fin 5, tcp.rst 5, udp 60, icmp 60, general 60; 0 never',
      parseTimeout,
      {},
    )
    .option(
      '-T, --track <level>',
      'what makes a flow: ip, proto, full (with ports), vlan, ether (with MACs)',
      parseTrack,
      'vlan',
    )
    .option(
      '--unwrap <mirrors>',
      'meter only the frames mirrored within erspan, gre, vxlan, geneve or vlan, with or without the number of one (vlan 200), with commas between several',
      parseUnwrap,
    )
    .addOption(
      new Option('--tunnels <which>', 'meter what is in tunnels by its own headers, or by those of the tunnel')
        .choices(['inner', 'outer'])
        .default('inner'),
    )
    .addOption(
      new Option('--fragments <how>', 'later fragments belong to the flow of the first, or to one without ports')
        .choices(['together', 'apart'])
        .default('together'),
    )
    .option('--no-tos', 'packets that differ in ToS belong to one flow')
    .option('-s, --sampling <n>', 'meter a random one of each n packets, and say so', wholeBetween(1, 0x3fff), 1)
    .option(
      '--sample-flows <n>',
      'meter one of n flows, with all of its packets, chosen by a hash of its key, and say so',
      wholeBetween(1, 0x3fff),
      1,
    )
    .option(
      '--kernel-sampling <n>',
      'let the kernel hand over a random one of n packets of an interface, and say so',
      wholeBetween(1, 0x3fff),
      1,
    )
    .option('--biflow', 'both directions are one flow and one record (IPFIX only)', false)
    .option(
      '--domain <n>',
      'observation domain of IPFIX, source ID of v9, engine of v5',
      wholeBetween(0, 0xffffffff),
      0,
    )
    .option('-C, --snaplen <bytes>', 'bytes of a packet that are looked at', wholeBetween(64, 65_535), 256)
    .option('-N, --no-promiscuous', 'leave the device as it is')
    .option(
      '-B, --ring <bytes>',
      'room in the kernel for packets not read yet',
      wholeBetween(512 * 1024, 1 << 30),
      32 * MEGABYTE,
    )
    .option(
      '--fanout-group <n>',
      'share the packets of the interfaces, flow by flow, with the other meters of this number',
      wholeBetween(0, 0xffff),
    )
    .option('--captures <host:port>', 'make captures of its devices for others there, who know the secret', parseListen)
    .option('--capture-secret <file>', 'that secret, in a file')
    .option('--user <name>', 'go on as this user once devices are open; started as root')
    .option('--template-every <n>', 'tell templates again after so many datagrams', wholeBetween(1, 100_000), 100)
    .option('--template-seconds <s>', 'and after so many seconds', wholeBetween(1, 86_400), 60)
    .option('--export-rate <n>', 'datagrams a second at most, of a file', wholeBetween(1, 10_000_000), 10_000)
    .option('--status <seconds>', 'say every so often on standard error how it goes', wholeBetween(1, 86_400))
    .action((words: string[], options: MeterOptions) => meter(words.join(' '), options))
}

async function meter(filter: string, options: MeterOptions): Promise<void> {
  checkOptions(options)
  const isFile = options.read.length > 0
  const sender = await createDatagramSender(options.collector, isFile ? options.exportRate : Infinity)
  try {
    if (isFile) await meterFiles(filter, options, sender)
    else await meterDevices(filter, options, sender)
  } finally {
    sender.close()
  }
}

function checkOptions(options: MeterOptions): void {
  if (options.collector.length === 0)
    throw new UserError('no collector is named', { hint: 'give one with -n HOST:PORT' })
  if (options.interface.length > 0 === options.read.length > 0)
    throw new UserError('name either a device (-i) or a capture file (-r)')
  if (options.biflow && options.netflow !== 10)
    throw new UserError(`NetFlow v${options.netflow} has no record of both directions`, {
      hint: 'export IPFIX (-v 10), or leave --biflow out: each direction is a flow of its own then',
    })
  if (options.read.length > 0 && (options.captures || options.captureSecret !== undefined))
    throw new UserError('captures for others are made of devices, not of files', {
      hint: 'leave --captures and --capture-secret out, or name a device with -i',
    })
  const sampled = [options.sampling, options.sampleFlows, options.kernelSampling].filter((rate) => rate > 1)
  if (sampled.length > 1)
    throw new UserError('what is sampled can’t be sampled once more', {
      hint: 'give one of -s, --sample-flows and --kernel-sampling',
    })
  if (options.kernelSampling > 1 && options.read.length > 0)
    throw new UserError('the kernel samples live interfaces, not files', { hint: 'give -s instead' })
}
