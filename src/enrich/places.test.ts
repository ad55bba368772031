import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseIp } from '../base/address.ts'
import { FlowBatch } from '../flow/flow-batch.ts'
import { createInventory } from '../inventory/inventory.ts'
import { EMPTY_INVENTORY } from '../inventory/machine.ts'
import { createEnricher } from './enricher.ts'
import { openMmdb } from './mmdb.ts'
import { writeMmdb, type MmdbSource } from './mmdb.fixture.ts'
import { createPlaces, type PlaceFiles } from './places.ts'

const country = (code: string, name: string) => ({
  country: { geoname_id: 2_921_044, iso_code: code, is_in_european_union: code === 'DE', names: { en: name } },
  registered_country: { iso_code: 'US', names: { en: 'United States' } },
})
const LONG = 'a name of more than 285 bytes '.repeat(12)
const COUNTRIES: MmdbSource = {
  type: 'GeoLite2-Country',
  networks: [
    ['198.51.100.0/24', country('DE', 'Germany')],
    ['198.51.100.128/25', country('CZ', 'Czechia')],
    ['198.51.100.200/32', { registered_country: { iso_code: 'JP', names: { en: LONG } } }],
    ['2001:db8::/32', country('FR', 'France')],
    ['2001:db8:1::/48', { continent: { code: 'EU' } }],
  ],
}
const SYSTEMS: MmdbSource = {
  type: 'GeoLite2-ASN',
  networks: [
    ['198.51.100.0/24', { autonomous_system_number: 64_496, autonomous_system_organization: 'EXAMPLE-ONE Inc.' }],
    ['203.0.113.0/24', { autonomous_system_number: 4_200_000_001, autonomous_system_organization: 'Example Two' }],
    ['2001:db8::/32', { asn: 'AS64500', as_name: 'Three, Ltd.' }],
  ],
}
const ADDRESSES = [
  '198.51.100.1',
  '198.51.100.129',
  '198.51.100.200',
  '198.51.101.1',
  '203.0.113.77',
  '0.0.0.0',
  '255.255.255.255',
  '2001:db8::1',
  '2001:db8:1::1',
  '2001:db9::1',
  '::',
]

const words = (address: string): Uint32Array => new Uint32Array((parseIp(address) as Uint8Array).slice().buffer)
const log = { info: () => undefined, warn: () => undefined }

let dir: string
let countries: string
let systems: string
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'vnetscope-places-'))
  countries = join(dir, 'country.mmdb')
  systems = join(dir, 'asn.mmdb')
  await writeFile(countries, writeMmdb(COUNTRIES))
  await writeFile(systems, writeMmdb(SYSTEMS))
})
after(() => rm(dir, { recursive: true, force: true }))

/** What libmaxminddb finds. */
function mmdblookup(file: string, address: string, ...path: string[]): string | undefined {
  try {
    const text = execFileSync('mmdblookup', ['--file', file, '--ip', address, ...path], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return /^\s*"?(.*?)"? <\w+>\s*$/m.exec(text)?.[1]
  } catch {
    return undefined
  }
}

test('addresses are found as libmaxminddb finds them, in records of every width', async () => {
  for (const recordSize of [24, 28, 32] as const) {
    const file = join(dir, `of-${recordSize}.mmdb`)
    const bytes = writeMmdb({ ...COUNTRIES, recordSize })
    await writeFile(file, bytes)
    const db = openMmdb(bytes, file)
    assert.deepEqual([db.type, db.built], ['GeoLite2-Country', 1_760_000_000_000])
    let found = 0
    for (const address of ADDRESSES) {
      const place = db.find(words(address), 0)
      const value = (place < 0 ? {} : db.value(place)) as { country?: { iso_code: string; geoname_id: number } }
      assert.equal(value.country?.iso_code, mmdblookup(file, address, 'country', 'iso_code'), address)
      assert.equal(
        value.country && String(value.country.geoname_id),
        mmdblookup(file, address, 'country', 'geoname_id'),
        address,
      )
      if (value.country) found++
    }
    assert.equal(found, 3)
    const japan = db.value(db.find(words('198.51.100.200'), 0)) as { registered_country: { names: { en: string } } }
    assert.equal(japan.registered_country.names.en, LONG)
  }
})

test('a tree of IPv4 alone knows no IPv6', () => {
  const db = openMmdb(
    writeMmdb({ type: 'x', ipVersion: 4, networks: [['198.51.100.0/24', { country_code: 'de' }]] }),
    'x',
  )
  assert.deepEqual(
    db.value(db.find(words('198.51.100.9'), 0)),
    Object.assign(Object.create(null), { country_code: 'de' }),
  )
  assert.equal(db.find(words('2001:db8::1'), 0), -1)
})

test('a damaged file is refused or answers nothing, whatever stands in it', () => {
  const whole = writeMmdb(COUNTRIES)
  for (let length = 0; length < whole.length; length += 7)
    assert.throws(() => openMmdb(whole.subarray(0, length), 'cut.mmdb'), /cut\.mmdb is no MaxMind database/)
  let opened = 0
  for (let at = 0; at < whole.length; at++) {
    const bytes = Buffer.from(whole)
    bytes[at] = (bytes[at] as number) ^ (1 << (at % 8))
    try {
      const db = openMmdb(bytes, 'flipped.mmdb')
      opened++
      for (const address of ADDRESSES) {
        const place = db.find(words(address), 0)
        if (place >= 0) db.value(place)
      }
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'mmdb_damaged')
    }
  }
  assert.ok(opened > whole.length / 2)
})

async function places(): Promise<{ places: PlaceFiles; names: string[] }> {
  const names = ['']
  const opened = createPlaces(
    { countries, autonomousSystems: systems },
    {
      log,
      nameId: (name) => {
        if (!names.includes(name)) names.push(name)
        return names.indexOf(name)
      },
    },
  )
  await opened.start()
  return { places: opened, names }
}

test('countries and systems are told by number for rows, and by name for people', async () => {
  const { places: of, names } = await places()
  const codes = ADDRESSES.map((address) => names[of.countries[of.locate(words(address), 0)] as number])
  assert.deepEqual(codes, ['DE', 'CZ', 'JP', '', '', '', '', 'FR', '', '', ''])
  // Asked again, they come from what is remembered.
  assert.deepEqual(
    ADDRESSES.map((address) => names[of.countries[of.locate(words(address), 0)] as number]),
    codes,
  )
  assert.deepEqual(
    ADDRESSES.map((address) => of.countryOf(words(address), 0)),
    codes,
  )
  assert.equal(of.systems[of.locate(words('203.0.113.1'), 0)], 4_200_000_001)
  assert.deepEqual(of.systemOf(words('2001:db8::1'), 0), { number: 64_500, name: 'Three, Ltd.' })
  assert.equal(of.systems[of.locate(words('192.0.2.1'), 0)], 0)
  assert.deepEqual([of.nameOf(64_496), of.nameOf(1)], ['EXAMPLE-ONE Inc.', undefined])
  assert.deepEqual(of.numbersOf('example*').toSorted(), [4_200_000_001, 64_496])
  assert.deepEqual(
    [of.numbersOf('example two'), of.numbersOf('*td.'), of.numbersOf('xample*')],
    [[4_200_000_001], [64_500], []],
  )
  of.stop()
})

test('rows get countries, and the systems that their exporter did not tell', async () => {
  const inventory = createInventory(EMPTY_INVENTORY, { clock: { now: () => 0 } })
  const of = createPlaces({ countries, autonomousSystems: systems }, { log, nameId: inventory.nameId })
  await of.start()
  const enricher = createEnricher(EMPTY_INVENTORY, { inventory, clock: { now: () => 0 }, places: of })
  const batch = new FlowBatch(2)
  batch.n = 2
  for (const row of [0, 1]) {
    batch.src_addr.set(words('198.51.100.130'), row * 4)
    batch.dst_addr.set(words('203.0.113.5'), row * 4)
  }
  batch.dst_as[1] = 7
  const names = enricher.apply(batch)
  assert.deepEqual(
    [0, 1].map((row) => [names[batch.src_country[row] as number], names[batch.dst_country[row] as number]]),
    [
      ['CZ', ''],
      ['CZ', ''],
    ],
  )
  assert.deepEqual([...batch.src_as, ...batch.dst_as], [64_496, 64_496, 4_200_000_001, 7])
  of.stop()
})

test('a new edition is taken into use, and a bad one is not', async (context) => {
  context.mock.timers.enable({ apis: ['setInterval'] })
  const file = join(dir, 'edition.mmdb')
  await writeFile(file, writeMmdb(COUNTRIES))
  const told: string[] = []
  const heard = { waiting: () => undefined as void }
  const say = (_: object, message: string): void => {
    told.push(message)
    heard.waiting()
  }
  const of = createPlaces(
    { countries: file, autonomousSystems: null },
    { log: { info: say, warn: say }, nameId: () => 1 },
  )
  await of.start()
  const next = async (bytes: Uint8Array, seconds: number): Promise<void> => {
    await writeFile(file, bytes)
    await utimes(file, seconds, seconds)
    const said = new Promise<void>((done) => (heard.waiting = done))
    context.mock.timers.tick(60_000)
    await said
  }
  await next(writeMmdb({ ...COUNTRIES, networks: [['198.51.100.0/24', country('AT', 'Austria')]] }), 1_000)
  assert.equal(of.countryOf(words('198.51.100.1'), 0), 'AT')
  await next(Buffer.from('nonsense'), 2_000)
  assert.equal(of.countryOf(words('198.51.100.1'), 0), 'AT')
  assert.deepEqual(told, [
    'a new edition of a MaxMind database is in use',
    'a MaxMind database has changed and can’t be read; the one before stays in use',
  ])
  of.stop()
  await assert.rejects(
    createPlaces({ countries: join(dir, 'none'), autonomousSystems: null }, { log, nameId: () => 0 }).start(),
    { code: 'mmdb_unreadable' },
  )
})
