// Makes src/inventory/vendors.br and src/inventory/services.br, the tables of MAC vendors and services.
//
//   npm pack oui-data && tar xzf oui-data-*.tgz                  IEEE's registry of MA-L, MA-M and MA-S as JSON
//   node scripts/name-tables.ts package/index.json /usr/share/wireshark/services
//                                                                IANA's registry of ports, as Debian's wireshark-common has it
//
// Of both registries only what a number stands for is taken.

import { readFileSync, writeFileSync } from 'node:fs'
import { brotliCompressSync, constants } from 'node:zlib'

const [ouiFile, servicesFile] = process.argv.slice(2)
if (ouiFile === undefined || servicesFile === undefined) {
  process.stderr.write('usage: node scripts/name-tables.ts OUI-DATA/index.json SERVICES\n')
  process.exit(2)
}

/** One line a vendor: its name, then its prefixes (6, 7 or 9 hexadecimal digits), parted by blanks, behind a tab. */
function vendors(): string {
  const byName = new Map<string, string[]>()
  const given = JSON.parse(readFileSync(ouiFile as string, 'utf8')) as Record<string, string>
  for (const [prefix, text] of Object.entries(given)) {
    const name = (text.split('\n')[0] as string).replaceAll(/\s+/g, ' ').trim()
    if (!/^([0-9A-F]{6}|[0-9A-F]{7}|[0-9A-F]{9})$/.test(prefix) || name === '' || /^private$/i.test(name)) continue
    const list = byName.get(name) ?? []
    list.push(prefix.toLowerCase())
    byName.set(name, list)
  }
  return [...byName]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, prefixes]) => `${name}\t${prefixes.toSorted().join(' ')}\n`)
    .join('')
}

/** One line a service, as IANA's registry has it: `https 443/tcp/udp http protocol over TLS/SSL`. */
function services(): string {
  const found: [port: number, line: string][] = []
  for (const line of readFileSync(servicesFile as string, 'utf8').split('\n')) {
    const match = /^([\w.+*-]+)\s+(\d+)((?:\/(?:tcp|udp|sctp|dccp))+)\s*(?:#\s*(.*))?$/.exec(line)
    if (!match) continue
    const [, name, port, protocols, describe = ''] = match
    found.push([Number(port), `${name} ${port}${protocols} ${describe.trim()}`.trim()])
  }
  return found
    .toSorted(([a], [b]) => a - b)
    .map(([, line]) => `${line}\n`)
    .join('')
}

for (const [name, text] of [
  ['vendors', vendors()],
  ['services', services()],
] as const) {
  const packed = brotliCompressSync(text, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 },
  })
  writeFileSync(new URL(`../src/inventory/${name}.br`, import.meta.url), packed)
  process.stdout.write(`${name}: ${text.split('\n').length - 1} lines, ${text.length} bytes, ${packed.length} packed\n`)
}
