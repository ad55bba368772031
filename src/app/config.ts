// The configuration of the server: every option once, with its default and one sentence. The reference page
// docs/reference/configuration.md is made from this file.

import { z } from 'zod'
import {
  address,
  addressOrPrefix,
  dnsServer,
  hostName,
  mac,
  port,
  prefix,
  samplingRate,
  serverUrls,
  size,
  text,
  vlanId,
  whole,
  word,
} from './config-values.ts'

const Http = z
  .strictObject({
    host: hostName()
      .default('127.0.0.1')
      .describe('Address that the console and the API listen on; 0.0.0.0 or :: for every one.'),
    port: port().default(8080).describe('TCP port of the console and the API; 0 lets the system choose.'),
    trustProxy: z
      .array(addressOrPrefix(), { error: 'a list of IP addresses and networks' })
      .max(64, { error: 'at most 64 addresses and networks' })
      .default([])
      .describe(
        'Reverse proxies that are believed whom they ask for (X-Forwarded-For): each of their users then has a line of its own for questions, instead of all one together.',
      ),
  })
  .prefault({})
  .describe('Console and API.')

const Tls = z.strictObject({
  cert: text('a file').describe('Certificate of the collector (PEM), with those between it and its authority.'),
  key: text('a file').describe('Its private key (PEM, without a passphrase).'),
  ca: text('a file')
    .nullable()
    .default(null)
    .describe('Certificates of authorities (PEM): exporters must show a certificate of theirs; `null` takes anyone.'),
})

const Listener = z.strictObject({
  address: address().default('::').describe('Address to receive on; `::` takes IPv4 as well.'),
  ports: z
    .array(port(), { error: 'a list of port numbers' })
    .max(64, { error: 'at most 64 port numbers' })
    .describe(
      'UDP ports. Each takes every protocol: sFlow v5, NetFlow v1, v5, v7 and v9, IPFIX. May be empty beside `tcp`.',
    ),
  tcp: z
    .array(port(), { error: 'a list of port numbers' })
    .max(64, { error: 'at most 64 port numbers' })
    .default([])
    .describe('TCP ports, for IPFIX; 4739 is usual, 4740 with TLS.'),
  tls: Tls.nullable()
    .default(null)
    .describe(
      'The TCP ports speak TLS, with the PEM files `cert` and `key`, and `ca` if exporters must show a certificate of its authorities; `null` for plain TCP.',
    ),
})

const Receive = z
  .strictObject({
    method: z
      .enum(['auto', 'recvmmsg', 'dgram'])
      .default('auto')
      .describe(
        'How datagrams are read: many with one system call (`recvmmsg`), or by the portable `dgram`. `auto` takes the first where it works.',
      ),
    threads: whole(0, 64, 'a number of threads from 0 to 64')
      .default(0)
      .describe('Receiving threads, which share each port; 0 chooses by the number of processors.'),
    buffer: size(64 * 1024, 2 ** 30)
      .prefault('32MiB')
      .describe(
        'Receive buffer asked of the kernel for each socket. Without CAP_NET_ADMIN the kernel gives at most net.core.rmem_max.',
      ),
  })
  .prefault({})
  .describe('How datagrams are received.')

const Decode = z
  .strictObject({
    biflow: z
      .enum(['split', 'forward', 'merge'])
      .default('split')
      .describe(
        'Records of NetFlow and IPFIX that tell of both directions (RFC 5103): `split` makes a row of each direction; `forward` keeps the one from source to destination alone; `merge` makes one row with the bytes and packets of both.',
      ),
    elements: text('a file')
      .nullable()
      .default(null)
      .describe(
        'File of information elements beside those that are built in: on each line enterprise number, id, name and type, such as `35632 57 l7Protocol unsigned16`; `null` for none.',
      ),
  })
  .prefault({})
  .describe('How datagrams are understood.')

const Spool = z
  .strictObject({
    maxBytes: size(16 * 2 ** 20)
      .prefault('4GiB')
      .describe('Most that may wait on disk for the store. What comes when it is full is refused, and counted.'),
  })
  .prefault({})
  .describe('Where flows wait until the store has them.')

const StorageTls = z.strictObject({
  ca: text('a file')
    .nullable()
    .default(null)
    .describe('Certificates of the authorities to believe (PEM); `null` for those that Node knows.'),
  cert: text('a file')
    .nullable()
    .default(null)
    .describe('Certificate to show to the servers (PEM), if they ask for one.'),
  key: text('a file').nullable().default(null).describe('Its private key (PEM, without a passphrase).'),
})

/** What is kept of a kind of table. */
const kept = (days: number | null, describe: string) =>
  z
    .strictObject({
      retentionDays: whole(1, 36_500, 'a number of days from 1 to 36500')
        .nullable()
        .default(days)
        .describe('What is older is deleted; `null` keeps it.'),
      maxBytes: size(16 * 2 ** 20)
        .nullable()
        .prefault(null)
        .describe('When it takes more on disk, its oldest goes; `null` sets no bound.'),
    })
    .prefault({})
    .describe(describe)

const Storage = z
  .strictObject({
    url: serverUrls()
      .nullable()
      .prefault(null)
      .describe(
        'HTTP interface of the ClickHouse server that stores instead of the embedded engine; of a cluster a list, of which the first says to which shard this collector’s flows go and the others take its place; `null` for the embedded store. See docs/how-to/grow.md.',
      ),
    cluster: word('the name of a cluster', /^[A-Za-z][\w-]{0,62}$/, 'letters, digits, _ and -')
      .nullable()
      .default(null)
      .describe(
        'Name of the cluster in the configuration of these servers: tables are made on all of it, replicated and spread; `null` for a single server.',
      ),
    database: word('the name of a database')
      .default('vnetscope')
      .describe('Database on those servers; made if it is missing.'),
    user: text('a user')
      .nullable()
      .default(null)
      .describe('User of those servers; `null` for the one that they take without a name.'),
    password: text('a password').nullable().default(null).describe('Password of that user.'),
    passwordFile: text('a file')
      .nullable()
      .default(null)
      .describe('File whose first line is the password, instead of `password`.'),
    tls: StorageTls.prefault({}).describe('For servers that are named by https.'),
    quorum: whole(1, 9, 'a number of replicas from 1 to 9')
      .default(1)
      .describe(
        'Replicas that must have flows before they leave the spool. With 1, what one replica took last is lost if its disk dies before another has copied it; with more, flows wait in the spool while fewer replicas than that are up.',
      ),
    retentionDays: whole(1, 36_500, 'a number of days from 1 to 36500')
      .nullable()
      .default(null)
      .describe(
        'Flows and counters older than this are deleted; `null` keeps them until maxBytes is reached. A clock that jumps ahead deletes nothing for a day; ClickHouse servers follow their own.',
      ),
    maxBytes: size(64 * 2 ** 20)
      .nullable()
      .prefault(null)
      .describe(
        'When the store is larger than this, its oldest flows and counters go, then the rollups, the finest first; `null` sets no bound. In a cluster: all shards together, replicas counted once.',
      ),
    flows: kept(null, 'Flows alone. Without `retentionDays` that of `storage` counts.'),
    counters: kept(null, 'Counters alone. Without `retentionDays` that of `storage` counts.'),
    minutes: kept(60, 'Flows summed up by minute.'),
    hours: kept(1100, 'Flows summed up by hour, and by six.'),
    days: kept(null, 'Flows summed up by day.'),
    memory: size(512 * 2 ** 20)
      .prefault('2GiB')
      .describe('Most memory that the embedded engine takes, queries and merges together.'),
  })
  .prefault({})
  .describe('The store: embedded, or ClickHouse servers of your own.')

const Query = z
  .strictObject({
    timeoutSeconds: whole(1, 3600, 'seconds from 1 to 3600')
      .default(30)
      .describe('A question that takes longer is ended.'),
    maxMemory: size(64 * 2 ** 20)
      .prefault('1GiB')
      .describe('Most memory that one question may take; sorting and grouping go to disk before that.'),
    concurrency: whole(1, 64, 'a number from 1 to 64')
      .default(3)
      .describe(
        'Questions answered at a time, one less of a single client. More wait, each client in a line of its own.',
      ),
  })
  .prefault({})
  .describe('Bounds of the questions that the API answers.')

const Names = z
  .strictObject({
    reverseDns: z
      .enum(['all', 'internal', 'off'])
      .default('all')
      .describe(
        'Whose names are looked up by reverse DNS when somebody looks at them: of every address, of our own alone (`internal`: private ones and those of `inventory.networks`), or of none. Whoever runs the DNS of an address outside can see that it is looked up.',
      ),
    dnsServers: z
      .array(dnsServer(), { error: 'a list of name servers' })
      .max(16, { error: 'at most 16 name servers' })
      .default([])
      .describe(
        'Name servers to ask, as `address`, `address:port` or `[address]:port`; those of the system if there are none.',
      ),
    dnsPerSecond: whole(1, 10_000, 'a number from 1 to 10000').default(50).describe('Most lookups a second.'),
    countries: text('a file')
      .nullable()
      .default(null)
      .describe(
        'MaxMind database of countries, such as GeoLite2-Country.mmdb or GeoLite2-City.mmdb, for the countries of addresses; a new edition is taken into use by itself. `null` for none.',
      ),
    autonomousSystems: text('a file')
      .nullable()
      .default(null)
      .describe(
        'MaxMind database of autonomous systems, such as GeoLite2-ASN.mmdb: for their names, and for the systems of addresses where an exporter tells none. `null` for none.',
      ),
  })
  .prefault({})
  .describe('What addresses and autonomous systems are called, beyond the inventory.')

const Machine = z.strictObject({
  name: text('a name').describe('Name shown everywhere.'),
  kind: z
    .enum(['vm', 'host', 'physical'])
    .default('vm')
    .describe('A virtual machine, a host of them, or a physical machine.'),
  host: text('the name of a host').nullable().default(null).describe('Host that the virtual machine runs on.'),
  macs: z.array(mac(), { error: 'a list of MAC addresses' }).prefault([]).describe('MAC addresses of its adapters.'),
  addresses: z.array(address(), { error: 'a list of IP addresses' }).default([]).describe('Its IP addresses.'),
  uuid: z
    .guid({ error: 'a UUID' })
    .meta({ kind: 'a UUID' })
    .nullable()
    .default(null)
    .describe('UUID, as the hypervisor tells it; joins this entry with what sFlow says of the machine.'),
  slice: text('the name of a slice').nullable().default(null).describe('Slice to which it belongs.'),
})

const Vlan = z.strictObject({
  id: vlanId().describe('VLAN ID.'),
  name: text('a name').describe('Name shown everywhere.'),
})

const Slice = z.strictObject({
  name: text('a name').describe('Name of the slice.'),
  vlans: z.array(vlanId(), { error: 'a list of VLAN IDs' }).default([]).describe('VLANs lent to it.'),
  machines: z
    .array(text('the name of a machine'), { error: 'a list of names of machines' })
    .default([])
    .describe('Machines lent to it.'),
})

const Network = z.strictObject({
  prefix: prefix().describe('Network.'),
  name: text('a name').describe('Name shown everywhere.'),
  kind: z.enum(['internal', 'external']).default('internal').describe('Whether its addresses are our own or others’.'),
})

const Inventory = z
  .strictObject({
    machines: z
      .array(Machine, { error: 'a list of machines' })
      .default([])
      .describe('Machines by name, beside those learnt from sFlow.'),
    vlans: z.array(Vlan, { error: 'a list of VLANs' }).default([]).describe('Names of VLANs.'),
    slices: z
      .array(Slice, { error: 'a list of slices' })
      .default([])
      .describe('Named sets of VLANs and machines, each lent to a project or a tenant.'),
    networks: z
      .array(Network, { error: 'a list of networks' })
      .default([])
      .describe('Networks by name; the longest prefix wins.'),
  })
  .prefault({})
  .describe('What is known of the network, beside what it says of itself.')

const Exporter = z.strictObject({
  address: address().describe('sFlow agent address, or source address of NetFlow and IPFIX.'),
  name: text('a name').nullable().default(null).describe('Name shown everywhere.'),
  samplingRate: samplingRate().nullable().default(null).describe('Sampling rate to use whatever the exporter says.'),
  defaultSamplingRate: samplingRate()
    .nullable()
    .default(null)
    .describe('Sampling rate to use when the exporter tells none.'),
  vlanInDstAs: z
    .boolean({ error: 'true or false' })
    .default(false)
    .describe(
      'The exporter puts the VLAN into the destination AS of NetFlow and IPFIX, as FlowMon probes of 2010 did; it is read as the VLAN then.',
    ),
  host: text('the name of a host').nullable().default(null).describe('Host whose virtual switch it is.'),
})

const Log = z
  .strictObject({
    level: z
      .enum(['debug', 'info', 'warn', 'error'])
      .default('info')
      .describe('Least urgent messages that are written.'),
  })
  .prefault({})
  .describe('What the server writes of itself, on standard error.')

export const ConfigSchema = z
  .strictObject({
    http: Http,
    data: text('a directory')
      .default('./data')
      .describe('Directory of the store, the spool and the state; made if it is missing.'),
    listeners: z
      .array(Listener, { error: 'a list of listeners' })
      .max(64, { error: 'at most 64 listeners' })
      .default([{ address: '::', ports: [2055, 4739, 6343], tcp: [], tls: null }])
      .describe('Where flows and counters are received.'),
    receive: Receive,
    decode: Decode,
    spool: Spool,
    storage: Storage,
    query: Query,
    inventory: Inventory,
    names: Names,
    exporters: z
      .array(Exporter, { error: 'a list of exporters' })
      .default([])
      .describe('What is known of exporters, beside what they say of themselves.'),
    log: Log,
  })
  .superRefine((config, context) => {
    const once = (what: string, seen: Map<string, string>, value: string, path: (string | number)[]): void => {
      const first = seen.get(value)
      if (first === undefined) seen.set(value, pathText(path))
      else context.addIssue({ code: 'custom', path, message: `${what} that no other entry has (also at ${first})` })
    }
    for (const transport of ['ports', 'tcp'] as const) {
      const seen = new Map<string, string>()
      for (const [i, listener] of config.listeners.entries()) {
        for (const [j, port] of listener[transport].entries())
          if (port > 0)
            once('a port of this address', seen, `${listener.address} ${port}`, ['listeners', i, transport, j])
      }
    }
    const { storage } = config
    const expect = (option: string, message: string): void =>
      context.addIssue({ code: 'custom', path: ['storage', option], message })
    if (storage.url === null) {
      for (const option of ['cluster', 'user', 'password', 'passwordFile'] as const)
        if (storage[option] !== null) expect(option, 'storage.url beside it, which names the servers')
    } else {
      if (storage.url.length > 1 && storage.cluster === null)
        expect('url', 'one server, or storage.cluster beside several')
      if (storage.quorum > 1 && storage.cluster === null) expect('quorum', '1, or storage.cluster beside it')
      if (storage.password !== null && storage.passwordFile !== null)
        expect('passwordFile', 'either storage.password or this')
      const plain = storage.url.some((url) => url.startsWith('http:'))
      if (plain && Object.values(storage.tls).some((file) => file !== null))
        expect('tls', 'https in storage.url beside it')
      if ((storage.tls.cert === null) !== (storage.tls.key === null)) expect('tls', 'both cert and key, or neither')
    }
    for (const [i, { ports, tcp, tls }] of config.listeners.entries()) {
      const path = ['listeners', i, 'ports']
      if (ports.length + tcp.length === 0)
        context.addIssue({ code: 'custom', path, message: 'at least one port number' })
      if (tls !== null && tcp.length === 0)
        context.addIssue({ code: 'custom', path: ['listeners', i, 'tls'], message: 'TCP ports beside it, under tcp' })
    }
    const names = new Map<string, string>()
    const macs = new Map<string, string>()
    const addresses = new Map<string, string>()
    for (const [i, machine] of config.inventory.machines.entries()) {
      const at = ['inventory', 'machines', i]
      once('a name', names, machine.name, [...at, 'name'])
      for (const [j, value] of machine.macs.entries()) once('a MAC address', macs, value, [...at, 'macs', j])
      for (const [j, value] of machine.addresses.entries())
        once('an address', addresses, value, [...at, 'addresses', j])
    }
    const vlans = new Map<string, string>()
    for (const [i, vlan] of config.inventory.vlans.entries())
      once('a VLAN ID', vlans, String(vlan.id), ['inventory', 'vlans', i, 'id'])
    const slices = new Map<string, string>()
    for (const [i, slice] of config.inventory.slices.entries())
      once('a name', slices, slice.name, ['inventory', 'slices', i, 'name'])
    const networks = new Map<string, string>()
    for (const [i, network] of config.inventory.networks.entries())
      once('a network', networks, network.prefix, ['inventory', 'networks', i, 'prefix'])
    const exporters = new Map<string, string>()
    for (const [i, exporter] of config.exporters.entries())
      once('an address', exporters, exporter.address, ['exporters', i, 'address'])
  })

/** `http.port`, `listeners[0].ports[1]`. */
export function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else text += text === '' ? String(part) : `.${String(part)}`
  }
  return text
}

export type Config = z.output<typeof ConfigSchema>

/** The configuration of an empty file. */
export function defaultConfig(): Config {
  return ConfigSchema.parse({})
}
