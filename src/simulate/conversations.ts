import type { Curve } from './curves.ts'
import type { DataCenter, Machine, Nic } from './data-center.ts'
import { PROFILES, type Profile } from './profiles.ts'
import { Random } from './random.ts'

// Who talks to whom about what: the traffic matrix of the data center.

export interface ConversationPlan {
  readonly client: Nic
  readonly server: Nic
  readonly profile: Profile
  /** Packets a second, averaged over a day. */
  readonly pps: number
  readonly curve: Curve
  /** Connections that go on at the same time. */
  readonly sessions: number
  /** Seconds that a connection lasts. */
  readonly lifetime: number
  readonly ipv6: boolean
  /** How lively it is: sigma of a log-normal level. */
  readonly liveliness: number
}

/** Part of all packets that each VLAN has, averaged over a day. */
const VLAN_SHARES: ReadonlyMap<number, number> = new Map([
  [110, 0.33],
  [120, 0.37],
  [130, 0.05],
  [140, 0.02],
  [201, 0.08],
  [202, 0.08],
  [203, 0.03],
  [204, 0.04],
])

type Draft = Omit<ConversationPlan, 'pps'> & { readonly weight: number }
type Extra = Partial<Pick<Draft, 'curve' | 'sessions' | 'lifetime' | 'ipv6' | 'liveliness'>>

/** Machines on one host talk so much more: who talks much is placed together. */
const TOGETHER = 4

const FLAT: Curve = { kind: 'flat' }
const DAY: Curve = { kind: 'day' }

/** The conversations of a data center, with their rates so that all together make `pps`. */
export function planConversations(center: DataCenter, options: { seed: number; pps: number }): ConversationPlan[] {
  const drafts = new Planner(center, new Random(options.seed, 'conversations')).plan()
  const weights = new Map<number, number>()
  for (const { client, weight } of drafts) weights.set(client.vlan, (weights.get(client.vlan) ?? 0) + weight)
  let shares = 0
  for (const vlan of weights.keys()) shares += VLAN_SHARES.get(vlan) ?? 0
  return drafts.map(({ weight, ...draft }) => {
    const { vlan } = draft.client
    const share = (VLAN_SHARES.get(vlan) ?? 0) / shares
    return { ...draft, pps: (options.pps * share * weight) / (weights.get(vlan) as number) }
  })
}

class Planner {
  private readonly center: DataCenter
  private readonly random: Random
  private readonly drafts: Draft[] = []

  constructor(center: DataCenter, random: Random) {
    this.center = center
    this.random = random
  }

  plan(): Draft[] {
    this.storage()
    this.webProduction()
    this.backup()
    this.management()
    this.slices()
    this.everyone()
    return this.drafts
  }

  /** VLAN 110: disks of web and database machines on the arrays and the gateways. */
  private storage(): void {
    const arrays = this.physical('array')
    const gateways = this.vms('storage')
    for (const gateway of gateways) {
      for (const array of arrays)
        this.add(gateway, array, 110, PROFILES.iscsi, 12, { lifetime: 7200, sessions: 4, liveliness: 0.25 })
    }
    for (const machine of [...this.vms('db'), ...this.vms('ci')]) {
      this.add(machine, this.random.pick(arrays), 110, PROFILES.iscsi, 14 * this.random.logNormal(0.4), {
        lifetime: 7200,
        liveliness: 0.35,
      })
    }
    for (const web of this.vms('web')) {
      // Mostly from a gateway on the same host, if it has one: such traffic never reaches a wire.
      const near = gateways.filter((gateway) => gateway.host === web.host)
      const gateway = near.length > 0 ? near[0] : gateways[this.random.below(gateways.length || 1)]
      this.add(web, gateway ?? this.random.pick(arrays), 110, PROFILES.nfs, 6 * this.random.logNormal(0.6), {
        curve: DAY,
        lifetime: 1800,
        liveliness: 0.35,
      })
    }
  }

  /** VLAN 120: people at home read web pages, web machines ask caches, applications and databases. */
  private webProduction(): void {
    const { outside } = this.center
    const databases = this.vms('db')
    const caches = this.vms('cache')
    const applications = this.vms('app')
    for (const web of this.vms('web')) {
      const popularity = this.random.logNormal(0.7)
      this.add(outside, web, 120, PROFILES.web, 5 * popularity, { curve: DAY, sessions: 120, lifetime: 20 })
      this.add(outside, web, 120, PROFILES.web, 2 * popularity, { curve: DAY, sessions: 50, lifetime: 20, ipv6: true })
      for (const app of this.near(web, applications, 2))
        this.add(web, app, 120, PROFILES.app, 2.5 * popularity, { curve: DAY, sessions: 24, lifetime: 15 })
      for (const cache of this.near(web, caches, 1))
        this.add(web, cache, 120, PROFILES.cache, 2 * popularity, { curve: DAY, sessions: 6, lifetime: 900 })
      if (applications.length === 0)
        for (const db of databases)
          this.add(web, db, 120, PROFILES.database, 2, { curve: DAY, sessions: 8, lifetime: 600 })
    }
    for (const app of applications) {
      for (const db of databases)
        this.add(app, db, 120, PROFILES.database, 2.2 * this.random.logNormal(0.5), {
          curve: DAY,
          sessions: 8,
          lifetime: 600,
          ipv6: this.random.unit() < 0.3,
        })
    }
    for (const replica of this.named('db-replica')) {
      for (const main of this.named('db-main'))
        this.add(replica, main, 120, PROFILES.replication, 6, { curve: DAY, lifetime: 86_400, liveliness: 0.4 })
    }
    for (const mail of this.vms('mail'))
      this.add(outside, mail, 120, PROFILES.mail, 1.5, { curve: DAY, sessions: 20, lifetime: 12 })
  }

  /** VLAN 130: each night, and a little each hour, to the backup machines and on to tape. */
  private backup(): void {
    const servers = this.vms('backup')
    const tape = this.physical('tape')
    const clients = this.withVlan(130).filter((machine) => machine.role !== 'backup')
    for (const [i, client] of clients.entries()) {
      const hour = 22 + ((i * 0.41) % 4)
      const weight = client.role === 'db' ? 6 : client.role === 'storage' ? 5 : 2
      const server = servers[i % (servers.length || 1)] ?? tape[0]
      if (server !== undefined)
        this.add(client, server, 130, PROFILES.backup, weight, {
          curve: { kind: 'backup', hour: hour % 24 },
          lifetime: 3600,
          sessions: 2,
          liveliness: 0.2,
        })
    }
    for (const server of servers)
      this.add(server, this.random.pick(tape), 130, PROFILES.backup, 5, {
        curve: { kind: 'backup', hour: 4 },
        lifetime: 7200,
        liveliness: 0.1,
      })
  }

  /** VLAN 140: who looks after all this. */
  private management(): void {
    const routers = this.physical('router')
    for (const monitor of this.vms('monitor')) {
      for (const router of routers) {
        this.add(monitor, router, 140, PROFILES.snmp, 4, { lifetime: 30 })
        this.add(monitor, router, 140, PROFILES.ping, 0.4, { lifetime: 3600 })
        this.add(router, monitor, 140, PROFILES.syslog, 1, { lifetime: 3600 })
      }
      for (const other of this.withVlan(140))
        if (other !== monitor)
          this.add(monitor, other, 140, PROFILES.metrics, 4, { sessions: 2, lifetime: 30, ipv6: true })
    }
    for (const jump of this.vms('jump')) {
      for (const router of routers)
        this.add(jump, router, 140, PROFILES.ssh, 2, { curve: DAY, sessions: 2, lifetime: 900, liveliness: 0.8 })
      this.add(this.center.outside, jump, 140, PROFILES.ssh, 2, {
        curve: DAY,
        sessions: 5,
        lifetime: 1800,
        liveliness: 0.6,
      })
    }
    for (const ci of this.vms('ci'))
      this.add(ci, this.center.outside, 140, PROFILES.update, 8, {
        curve: DAY,
        sessions: 6,
        lifetime: 40,
        liveliness: 0.8,
      })
  }

  /** VLANs 201 to 204: lent to research projects. */
  private slices(): void {
    const ends = this.vms('iperf')
    const pairs = ends.flatMap((a, i) => ends.slice(i + 1).map((b) => [a, b] as const))
    for (const [turn, [a, b]] of pairs.entries()) {
      this.add(a, b, 201, PROFILES.iperf, 30 / pairs.length, {
        curve: { kind: 'burst', turn, turns: pairs.length },
        sessions: 2,
        lifetime: 480,
        liveliness: 0.05,
      })
      this.add(a, b, 201, PROFILES.ping, 0.02, { lifetime: 86_400, liveliness: 0 })
    }
    this.ring(this.vms('node'), 201, PROFILES.ssh, 1, { curve: DAY, lifetime: 600, liveliness: 0.6 })
    this.ring(this.vms('science'), 202, PROFILES.science, 4, { sessions: 4, lifetime: 1200, liveliness: 0.5 })
    for (const node of this.vms('science'))
      this.add(node, this.center.outside, 202, PROFILES.science, 1, {
        sessions: 2,
        lifetime: 1800,
        liveliness: 0.6,
        ipv6: true,
      })
    for (const source of this.vms('video')) {
      for (const viewer of this.vms('viewer'))
        this.add(viewer, source, 203, PROFILES.video, 1, { curve: DAY, lifetime: 3600, liveliness: 0.05, ipv6: true })
    }
    const cluster = this.vms('cluster')
    const head = cluster[0]
    for (const node of cluster.slice(1))
      if (head !== undefined) this.add(node, head, 204, PROFILES.cluster, 2, { lifetime: 7200, liveliness: 0.5 })
    this.ring(cluster.slice(1), 204, PROFILES.cluster, 2, { sessions: 2, lifetime: 3600, liveliness: 0.5 })
  }

  /** What every machine does: names, time, updates, neighbours. */
  private everyone(): void {
    const resolvers = this.vms('dns')
    for (const machine of this.withVlan(120)) {
      for (const resolver of resolvers)
        if (machine !== resolver)
          this.add(machine, resolver, 120, PROFILES.dns, machine.role === 'mail' ? 0.6 : 0.15, {
            curve: DAY,
            sessions: 30,
            lifetime: 4,
          })
      this.add(machine, this.center.outside, 120, PROFILES.update, 0.12, {
        curve: DAY,
        sessions: 2,
        lifetime: 60,
        liveliness: 1,
      })
      this.add(machine, this.center.outside, 120, PROFILES.arp, 0.002, { liveliness: 0 })
      this.add(machine, this.center.outside, 120, PROFILES.ntp, 0.002, { lifetime: 64, liveliness: 0 })
    }
    for (const resolver of resolvers)
      this.add(resolver, this.center.outside, 120, PROFILES.dns, 0.8, {
        curve: DAY,
        sessions: 60,
        lifetime: 4,
        ipv6: true,
      })
  }

  /** Each machine to the next one. */
  private ring(machines: readonly Machine[], vlan: number, profile: Profile, weight: number, extra: Extra): void {
    for (const [i, machine] of machines.entries()) {
      const next = machines[(i + 1) % machines.length] as Machine
      if (next !== machine) this.add(machine, next, vlan, profile, weight * this.random.logNormal(0.4), extra)
    }
  }

  /** Up to `count` of the machines, those on the same host first. */
  private near(machine: Machine, others: readonly Machine[], count: number): Machine[] {
    const same = others.filter((other) => other.host === machine.host)
    const rest = others.filter((other) => other.host !== machine.host)
    const chosen = same.slice(0, count)
    while (chosen.length < Math.min(count, others.length)) {
      const next = rest.splice(this.random.below(rest.length), 1)[0]
      if (next === undefined) break
      chosen.push(next)
    }
    return chosen
  }

  private add(client: Machine, server: Machine, vlan: number, profile: Profile, weight: number, extra: Extra): void {
    const from = client.nics.find((nic) => nic.vlan === vlan)
    const to = server.nics.find((nic) => nic.vlan === vlan)
    // Between two machines that no monitored switch carries there is nothing to see.
    if (from === undefined || to === undefined || (from.port === undefined && to.port === undefined)) return
    this.drafts.push({
      client: from,
      server: to,
      profile,
      weight: client.host !== undefined && client.host === server.host ? weight * TOGETHER : weight,
      curve: extra.curve ?? FLAT,
      sessions: extra.sessions ?? 1,
      lifetime: extra.lifetime ?? 300,
      ipv6: extra.ipv6 ?? false,
      liveliness: extra.liveliness ?? 0.3,
    })
  }

  private vms(role: string): Machine[] {
    return this.center.vms.filter((machine) => machine.role === role)
  }

  private named(name: string): Machine[] {
    return this.center.vms.filter((machine) => machine.name === name)
  }

  private physical(role: string): Machine[] {
    return this.center.physical.filter((machine) => machine.role === role)
  }

  private withVlan(vlan: number): Machine[] {
    return this.center.vms.filter((machine) => machine.nics.some((nic) => nic.vlan === vlan))
  }
}
