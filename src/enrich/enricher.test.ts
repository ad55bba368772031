import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseIp, parseMac } from '../base/address.ts'
import { LOCALITIES } from '../flow/columns.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { createInventory } from '../inventory/inventory.ts'
import { EMPTY_INVENTORY, type InventoryConfig } from '../inventory/machine.ts'
import { createEnricher } from './enricher.ts'

const clock = { now: () => 1_700_000_000_000 }

const CONFIG: InventoryConfig = {
  ...EMPTY_INVENTORY,
  machines: [
    { name: 'web-1', kind: 'vm', host: 'h1', macs: ['52:54:00:00:00:01'], addresses: ['10.1.0.1'] },
    { name: 'db-1', kind: 'vm', host: 'h1', macs: ['52:54:00:00:00:02'] },
    { name: 'web-2', kind: 'vm', host: 'h2', macs: ['52:54:00:00:00:03'], addresses: ['10.1.0.3'] },
    { name: 'array', kind: 'physical', macs: ['52:54:00:00:00:09'], addresses: ['10.9.0.9'] },
    { name: 'gw', kind: 'physical', macs: ['52:54:00:00:00:fe'] },
  ],
  slices: [{ name: 'cesnet', vlans: [201] }],
  networks: [{ prefix: '198.51.100.0/24', kind: 'internal' }],
  exporters: [{ address: '192.0.2.7', samplingRate: 512 }],
}

interface Frame {
  srcMac?: string
  dstMac?: string
  src?: string
  dst?: string
  vlan?: number
  exporter?: string
  rate?: number
  /** An sFlow packet that was discarded: told in a notice of its own, or sampled. */
  discarded?: 'notice' | 'sample'
}

function enrich(frames: Frame[]) {
  const inventory = createInventory(CONFIG, { clock })
  const enricher = createEnricher(CONFIG, { inventory, clock })
  const batch = new FlowBatch(16)
  for (const frame of frames) {
    const row = batch.n++
    const put = (column: Uint32Array, text: string | undefined): void => {
      if (text) column.set(new Uint32Array((parseIp(text) as Uint8Array).buffer), row * 4)
    }
    put(batch.src_addr, frame.src)
    put(batch.dst_addr, frame.dst)
    put(batch.exporter, frame.exporter)
    for (const [column, text] of [
      [batch.src_mac, frame.srcMac],
      [batch.dst_mac, frame.dstMac],
    ] as const) {
      const mac = text ? (parseMac(text) as number) : 0
      column.set([mac % 2 ** 32, Math.floor(mac / 2 ** 32)], row * 2)
    }
    batch.vlan_in[row] = frame.vlan ?? 0
    batch.sampling_rate[row] = frame.rate ?? 1
    if (frame.discarded === undefined) continue
    batch.protocol[row] = 1
    batch.forwarding_status[row] = 128
    batch.out_if[row] = frame.discarded === 'sample' ? 0x4000_0102 : 0
  }
  const names = enricher.apply(batch)
  const rows = frames.map((_, row) => ({
    src: names[batch.src_vm[row] as number],
    dst: names[batch.dst_vm[row] as number],
    srcHost: names[batch.src_host[row] as number],
    dstHost: names[batch.dst_host[row] as number],
    slice: names[batch.slice[row] as number],
    locality: LOCALITIES[batch.locality[row] as keyof typeof LOCALITIES],
    rate: batch.sampling_rate[row],
  }))
  return { rows, inventory }
}

test('traffic is told by where its ends are', () => {
  const { rows } = enrich([
    { srcMac: '52:54:00:00:00:01', dstMac: '52:54:00:00:00:02' },
    { srcMac: '52:54:00:00:00:01', dstMac: '52:54:00:00:00:03' },
    { srcMac: '52:54:00:00:00:01', dstMac: '52:54:00:00:00:09' },
    { srcMac: '52:54:00:00:00:01', dstMac: '52:54:00:00:00:fe', src: '10.1.0.1', dst: '203.0.113.5' },
    { srcMac: '52:54:00:00:00:01', dstMac: '52:54:00:00:00:fe', src: '10.1.0.1', dst: '198.51.100.5' },
    { src: '203.0.113.5', dst: '203.0.113.6' },
    { srcMac: '52:54:00:00:00:01', dstMac: 'ff:ff:ff:ff:ff:ff' },
  ])
  assert.deepEqual(
    rows.map((row) => row.locality),
    ['intra_host', 'inter_host', 'vm_physical', 'vm_external', 'vm_physical', 'external', 'unknown'],
  )
})

test('a machine behind a router is found by its address', () => {
  const { rows } = enrich([
    { srcMac: '52:54:00:00:00:fe', dstMac: '52:54:00:00:00:02', src: '10.1.0.3', dst: '10.1.0.2' },
  ])
  assert.equal(rows[0]?.src, 'web-2')
  assert.equal(rows[0]?.dst, 'db-1')
  assert.equal(rows[0]?.srcHost, 'h2')
  assert.equal(rows[0]?.locality, 'inter_host')
})

test('an address seen with the MAC of a machine is learnt and serves exports without MACs', () => {
  const { rows } = enrich([
    { srcMac: '52:54:00:00:00:02', src: '10.1.0.2', dst: '10.1.0.1' },
    { src: '10.1.0.1', dst: '10.1.0.2' },
  ])
  assert.equal(rows[1]?.dst, 'db-1')
  assert.equal(rows[1]?.locality, 'intra_host')
})

test('the slice comes from the VLAN, and VLANs seen are remembered', () => {
  const { rows, inventory } = enrich([{ vlan: 201 }, { vlan: 202 }])
  assert.deepEqual(
    rows.map((row) => row.slice),
    ['cesnet', ''],
  )
  assert.deepEqual(
    inventory.vlans().map((vlan) => vlan.id),
    [201, 202],
  )
})

test('a sampling rate set for an exporter stands in for the exported one', () => {
  const { rows } = enrich([{ exporter: '192.0.2.7' }, { exporter: '192.0.2.8' }])
  assert.deepEqual(
    rows.map((row) => row.rate),
    [512, 1],
  )
})

test('a sampling rate set for an exporter does not multiply its discard notices', () => {
  const exporter = '192.0.2.7'
  const { rows } = enrich([
    { exporter, discarded: 'notice' },
    { exporter, discarded: 'sample', rate: 400 },
  ])
  assert.deepEqual(
    rows.map((row) => row.rate),
    [1, 512],
  )
})
