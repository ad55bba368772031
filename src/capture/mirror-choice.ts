// Which mirrors are unwrapped, in words: `erspan, vxlan 5000, vlan 200`.

export type MirrorKind = 'erspan' | 'gre' | 'vxlan' | 'geneve' | 'vlan'

export interface MirrorChoice {
  readonly kind: MirrorKind
  /** ERSPAN session, GRE key, VNI or VLAN; −1 for any (a VLAN has to be named). */
  readonly id: number
}

/** Greatest number of each kind. */
const GREATEST: Readonly<Record<MirrorKind, number>> = {
  erspan: 0x3ff,
  gre: 0xffffffff,
  vxlan: 0xffffff,
  geneve: 0xffffff,
  vlan: 4094,
}

/** More would make each packet slow. */
const MOST_CHOICES = 64

export const EXPECTED_MIRRORS =
  'erspan, gre, vxlan, geneve or vlan, with the number of one (vlan 200, vxlan 5000) and with commas between several'

/** Reads a list of mirrors; undefined if it is none. */
export function parseMirrors(text: string): MirrorChoice[] | undefined {
  const choices: MirrorChoice[] = []
  for (const part of text.split(',')) {
    const match = /^\s*([a-z]+)(?:\s+(\d{1,10}))?\s*$/i.exec(part)
    const kind = match?.[1]?.toLowerCase() ?? ''
    if (!match || !isKind(kind)) return undefined
    const id = match[2] === undefined ? -1 : Number(match[2])
    if (id > GREATEST[kind] || (kind === 'vlan' && id < 1)) return undefined
    choices.push({ kind, id })
  }
  return choices.length <= MOST_CHOICES ? choices : undefined
}

function isKind(word: string): word is MirrorKind {
  return Object.hasOwn(GREATEST, word)
}
