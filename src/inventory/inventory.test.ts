import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIp, parseMac } from '../base/address.ts'
import { createInventory } from './inventory.ts'
import { EMPTY_INVENTORY } from './machine.ts'

const clock = { now: () => 1_700_000_000_000 }
const mac = (text: string): number => parseMac(text) as number

function macWords(text: string): Uint32Array {
  const number = mac(text)
  return new Uint32Array([number % 2 ** 32, Math.floor(number / 2 ** 32)])
}

function ipWords(text: string): Uint32Array {
  return new Uint32Array((parseIp(text) as Uint8Array).buffer)
}

test('a virtual machine is placed on its host whichever of the two is heard first', () => {
  for (const order of ['host first', 'machine first']) {
    const inventory = createInventory(EMPTY_INVENTORY, { clock })
    const host = {
      kind: 'machine',
      agent: '10.0.0.1',
      subAgent: 0,
      source: '2:1',
      hostname: 'prg-h1',
      uuid: 'a1',
    } as const
    const vm = {
      kind: 'machine',
      agent: '10.0.0.1',
      subAgent: 0,
      source: '3:100001',
      hostname: 'web-1',
      uuid: 'b1',
      parent: '2:1',
      adapters: [{ ifIndex: 3, macs: [mac('52:54:00:00:00:01')] }],
    } as const
    for (const sighting of order === 'host first' ? [host, vm] : [vm, host]) inventory.sight(sighting)
    const found = inventory.machines[inventory.byMac.find(macWords('52:54:00:00:00:01'), 0)]
    assert.equal(found?.name, 'web-1', order)
    assert.equal(found?.kind, 'vm')
    assert.equal(found?.host, 'prg-h1', order)
    assert.equal(inventory.names[found?.hostId ?? 0], 'prg-h1')
    assert.equal(inventory.exporterName('10.0.0.1'), 'prg-h1')
  }
})

test('a machine with the same uuid at another agent has moved there', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  for (const [agent, name] of [
    ['10.0.0.1', 'prg-h1'],
    ['10.0.0.2', 'ath-h1'],
  ] as const) {
    inventory.sight({ kind: 'machine', agent, subAgent: 0, source: '2:1', hostname: name, uuid: name })
  }
  const vm = { kind: 'machine', subAgent: 0, source: '3:100001', hostname: 'web-1', uuid: 'b1', parent: '2:1' } as const
  inventory.sight({ ...vm, agent: '10.0.0.1' })
  inventory.sight({ ...vm, agent: '10.0.0.2' })
  const machines = inventory.machines.filter((machine) => machine.kind === 'vm')
  assert.equal(machines.length, 1)
  assert.equal(machines[0]?.host, 'ath-h1')
})

test('two machines of one name are told apart by their hosts', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  inventory.sight({ kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '2:1', hostname: 'h1', uuid: 'a1' })
  inventory.sight({ kind: 'machine', agent: '10.0.0.2', subAgent: 0, source: '2:1', hostname: 'h2', uuid: 'a2' })
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.1',
    subAgent: 0,
    source: '3:100001',
    hostname: 'ubuntu',
    uuid: 'b1',
    parent: '2:1',
  })
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.2',
    subAgent: 0,
    source: '3:100001',
    hostname: 'ubuntu',
    uuid: 'b2',
    parent: '2:1',
  })
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.2',
    subAgent: 0,
    source: '3:100001',
    hostname: 'ubuntu',
    uuid: 'b2',
    parent: '2:1',
  })
  assert.deepEqual(
    inventory.machines.filter((machine) => machine.kind === 'vm').map((machine) => machine.name),
    ['ubuntu', 'ubuntu@h2'],
  )
})

test('applications and Java machines are not virtual machines', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.1',
    subAgent: 0,
    source: '3:200000',
    hostname: 'tomcat',
    uuid: 'c1',
    parent: '2:1',
  })
  assert.equal(inventory.machines.length, 0)
})

test('an entry of the configuration is completed by what the agent says and keeps its name', () => {
  const inventory = createInventory(
    { ...EMPTY_INVENTORY, machines: [{ name: 'web-1', kind: 'vm', host: 'esx-1', addresses: ['10.1.0.5'] }] },
    { clock },
  )
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.1',
    subAgent: 0,
    source: '3:100001',
    hostname: 'web-1',
    uuid: 'b1',
    parent: '2:1',
    adapters: [{ ifIndex: 1, macs: [mac('52:54:00:00:00:01')] }],
  })
  assert.equal(inventory.machines.length, 1)
  assert.equal(inventory.byAddress.find(ipWords('10.1.0.5'), 0), 0)
  assert.equal(inventory.byMac.find(macWords('52:54:00:00:00:01'), 0), 0)
  assert.equal(inventory.machines[0]?.host, 'esx-1')
})

test('a machine that sends with many addresses is a router and learns no more', () => {
  const fw = { name: 'fw', kind: 'vm', addresses: ['10.0.0.1'] } as const
  const inventory = createInventory({ ...EMPTY_INVENTORY, machines: [fw] }, { clock })
  const machine = inventory.machines[0]
  assert.ok(machine)
  for (let i = 1; i <= 40; i++) inventory.learnAddress(machine, ipWords(`192.0.2.${i}`), 0)
  assert.equal(machine.routes, true)
  assert.equal(machine.addresses.size, 16)
})

test('what was learnt outlives a restart', () => {
  const first = createInventory(EMPTY_INVENTORY, { clock })
  first.sight({ kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '2:1', hostname: 'prg-h1', uuid: 'a1' })
  first.sight({
    kind: 'machine',
    agent: '10.0.0.1',
    subAgent: 0,
    source: '3:100001',
    hostname: 'web-1',
    uuid: 'b1',
    parent: '2:1',
    adapters: [{ ifIndex: 3, macs: [mac('52:54:00:00:00:01')] }],
  })
  first.sight({ kind: 'interface', agent: '10.0.0.1', ifIndex: 3, name: 'tap100i0', speed: 1e9 })
  const second = createInventory(EMPTY_INVENTORY, { clock })
  second.restore(JSON.parse(JSON.stringify(first.save())))
  assert.deepEqual(second.save(), first.save())
  assert.equal(second.interfaceCount('10.0.0.1'), 1)
  second.restore({ machines: undefined, agents: undefined })
})

test('a flood of machines is bounded and counted', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  for (let i = 0; i < 100_050; i++) {
    inventory.sight({
      kind: 'machine',
      agent: `10.0.0.${i}`,
      subAgent: 0,
      source: '2:1',
      hostname: `h${i}`,
      uuid: `u${i}`,
    })
  }
  assert.equal(inventory.machines.length, 100_000)
  assert.equal(inventory.refused(), 50)
})

test('names that an agent makes up without end are bounded and counted', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  const vm = { kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '3:1', uuid: 'b1' } as const
  for (let i = 0; i < 400_100; i++) inventory.sight({ ...vm, hostname: `name-${i}` })
  assert.equal(inventory.machines.length, 1)
  assert.ok(inventory.names.length <= 400_000, `${inventory.names.length} names`)
  inventory.sight({ ...vm, source: '3:2', uuid: 'b2', hostname: 'one more' })
  assert.equal(inventory.refused(), 1)
})

test('a machine that many agents tell of waits for the host of the last one only', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  for (let i = 1; i < 100; i++)
    inventory.sight({
      kind: 'machine',
      agent: `10.0.0.${i}`,
      subAgent: 0,
      source: '3:1',
      hostname: 'web-1',
      uuid: 'b1',
    })
  const host = { kind: 'machine', subAgent: 0, source: '2:1' } as const
  inventory.sight({ ...host, agent: '10.0.0.1', hostname: 'first', uuid: 'a1' })
  assert.equal(inventory.machines[0]?.host, undefined)
  inventory.sight({ ...host, agent: '10.0.0.99', hostname: 'last', uuid: 'a2' })
  assert.equal(inventory.machines[0]?.host, 'last')
})

test('a data source that is used again with another uuid is another machine', () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock })
  const at = { kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '3:100001', parent: '2:1' } as const
  inventory.sight({ ...at, hostname: 'old', uuid: 'b1' })
  inventory.sight({ ...at, hostname: 'new', uuid: 'b2' })
  assert.deepEqual(
    inventory.machines.map(({ name, uuid }) => [name, uuid]),
    [
      ['old', 'b1'],
      ['new', 'b2'],
    ],
  )
})

test('a virtual machine with an agent of its own stays a virtual machine on its host', () => {
  const host = {
    kind: 'machine',
    agent: '10.0.0.1',
    subAgent: 0,
    source: '2:1',
    hostname: 'prg-h1',
    uuid: 'a1',
  } as const
  const outside = { ...host, source: '3:100001', hostname: 'web-1', uuid: 'b1', parent: '2:1' } as const
  const inside = { ...host, agent: '10.1.0.5', hostname: 'web-1', uuid: 'b1' } as const
  for (const order of [
    [host, outside, inside],
    [inside, host, outside],
    [inside, outside, host],
  ]) {
    const inventory = createInventory(EMPTY_INVENTORY, { clock })
    for (const sighting of order) inventory.sight(sighting)
    const found = inventory.machines.find(({ uuid }) => uuid === 'b1')
    assert.equal(found?.kind, 'vm')
    assert.equal(found?.host, 'prg-h1')
    assert.equal(inventory.machines.length, 2)
  }
})

test('no agent takes away what the configuration says', () => {
  const inventory = createInventory(
    {
      ...EMPTY_INVENTORY,
      machines: [{ name: 'web-1', kind: 'vm', host: 'esx-1', macs: ['52:54:00:00:00:01'] }],
      exporters: [{ address: '10.0.0.1', host: 'esx-1' }],
    },
    { clock },
  )
  inventory.sight({ kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '2:1', hostname: 'other', uuid: 'a1' })
  inventory.sight({
    kind: 'machine',
    agent: '10.0.0.9',
    subAgent: 0,
    source: '3:7',
    hostname: 'thief',
    uuid: 'c1',
    adapters: [{ ifIndex: 1, macs: [mac('52:54:00:00:00:01')] }],
  })
  assert.equal(inventory.byMac.find(macWords('52:54:00:00:00:01'), 0), 0)
  assert.equal(inventory.hostsOfAgents().get('10.0.0.1'), 'esx-1')
})

test('the address of a machine that has gone is taken by the one that sends with it', () => {
  let now = 1_700_000_000_000
  const inventory = createInventory(EMPTY_INVENTORY, { clock: { now: () => now } })
  const vm = { kind: 'machine', agent: '10.0.0.1', subAgent: 0, parent: '2:1' } as const
  inventory.sight({ ...vm, source: '3:1', hostname: 'old', uuid: 'b1' })
  inventory.sight({ ...vm, source: '3:2', hostname: 'new', uuid: 'b2' })
  const [old, young] = inventory.machines
  assert.ok(old && young)
  inventory.learnAddress(old, ipWords('10.1.0.5'), 0)
  inventory.learnAddress(young, ipWords('10.1.0.5'), 0)
  assert.equal(inventory.byAddress.find(ipWords('10.1.0.5'), 0), old.id)
  now += 3_600_000
  inventory.sight({ ...vm, source: '3:2', hostname: 'new', uuid: 'b2' })
  inventory.learnAddress(young, ipWords('10.1.0.5'), 0)
  assert.equal(inventory.byAddress.find(ipWords('10.1.0.5'), 0), young.id)
  assert.deepEqual([[...old.addresses], [...young.addresses]], [[], ['10.1.0.5']])
})

test('a machine whose address changes every day is no router: it keeps the last ones', () => {
  let now = 1_700_000_000_000
  const inventory = createInventory(EMPTY_INVENTORY, { clock: { now: () => now } })
  const vm = { kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '3:1', hostname: 'web', uuid: 'b1' } as const
  inventory.sight(vm)
  const [machine] = inventory.machines
  assert.ok(machine)
  for (let day = 1; day <= 40; day++) {
    now += 86_400_000
    inventory.sight(vm)
    inventory.learnAddress(machine, ipWords(`2001:db8::${day}`), 0)
  }
  assert.equal(machine.routes, false)
  assert.equal(machine.addresses.size, 16)
  assert.equal(inventory.byAddress.find(ipWords('2001:db8::40'), 0), machine.id)
  assert.equal(inventory.byAddress.find(ipWords('2001:db8::24'), 0), -1)
})

test('the addresses that a router sent with are not taken for its own after a restart', () => {
  const first = createInventory(EMPTY_INVENTORY, { clock })
  first.sight({ kind: 'machine', agent: '10.0.0.1', subAgent: 0, source: '3:1', hostname: 'fw', uuid: 'b1' })
  const [machine] = first.machines
  assert.ok(machine)
  for (let i = 1; i <= 40; i++) first.learnAddress(machine, ipWords(`192.0.2.${i}`), 0)
  assert.equal(machine.routes, true)
  const second = createInventory(EMPTY_INVENTORY, { clock })
  second.restore(JSON.parse(JSON.stringify(first.save())))
  assert.equal(second.byAddress.find(ipWords('192.0.2.1'), 0), -1)
})
