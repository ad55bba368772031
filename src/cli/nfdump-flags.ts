import { Option, type Command } from 'commander'
import { UserError } from '../base/errors.ts'

// Flags that nfdump has and this command has not: who types them from habit is told so, and what serves instead.

interface Elsewhere {
  readonly flag: string
  readonly why: string
  readonly hint: string
}

const COMPRESSED: Omit<Elsewhere, 'flag'> = {
  why: 'compresses files of nfdump, and none are written here',
  hint: 'a server compresses what it stores by itself; -o parquet > FILE is compressed too',
}

const ELSEWHERE: readonly Elsewhere[] = [
  {
    flag: 'w',
    why: 'writes a file of nfdump, which is not made here',
    hint: 'keep flows by -n 0 -o parquet > FILE (or ndjson, csv), the packets of a device by `vnetscope capture`',
  },
  {
    flag: 'E',
    why: 'lists the exporters in a file of nfdump',
    hint: 'count by them with -s router; of a server the Exporters page or GET /api/v1/exporters tells losses too, of a capture `vnetscope decode --summary`',
  },
  { flag: 'g', why: 'is for gnuplot', hint: '-I -o csv prints totals, -A KEYS -o csv more of them' },
  { flag: 'v', why: 'verifies a file of nfdump', hint: '-r FILE -I reads it whole and counts what is in it' },
  { flag: 'x', why: 'is for files of nfdump 1.6', hint: '`nfdump -r OLD -w NEW` brings one up to what can be read' },
  {
    flag: 'i',
    why: 'changes a file of nfdump',
    hint: 'rows have no ident: exporters and slices tell where a flow is from',
  },
  { flag: 'z', ...COMPRESSED },
  { flag: 'y', ...COMPRESSED },
  { flag: 'j', ...COMPRESSED },
  { flag: 'J', ...COMPRESSED },
  {
    flag: 'D',
    why: 'names a nameserver, and names are not looked up in a filter',
    hint: 'give addresses; vm, host and exporter take names of the inventory',
  },
  {
    flag: 'G',
    why: 'names a database of nfdump; countries and systems are filled in when flows are received',
    hint: 'set `names:` in the configuration of the server, or with -r give one by --config',
  },
  { flag: 'C', why: 'names a configuration of nfdump', hint: 'formats of your own are given by -o "fmt:…"' },
  {
    flag: 'P',
    why: 'filters what was put together',
    hint: 'a filter is of single flows here; let -O and -n choose, or a program by -o ndjson',
  },
  { flag: 'X', why: 'prints how nfdump compiled a filter', hint: '-Z prints how a filter is understood' },
  { flag: 'T', why: 'marks addresses for NfSen', hint: 'programs read -o ndjson or csv' },
  { flag: 'W', why: 'sets the threads of nfdump', hint: 'leave it out: the store takes what the machine has' },
]

/** Makes the flags known, but not to the help. */
export function addNfdumpFlags(command: Command): void {
  for (const { flag } of ELSEWHERE) command.addOption(new Option(`-${flag} [value]`).hideHelp())
}

/** @throws UserError if one of them was given */
export function refuseNfdumpFlags(flags: object): void {
  const found = ELSEWHERE.find(({ flag }) => (flags as Readonly<Record<string, unknown>>)[flag] !== undefined)
  if (found) throw new UserError(`-${found.flag} ${found.why}`, { hint: found.hint })
}
