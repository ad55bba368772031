import { ELEMENT_TYPES, isElementType, type ElementType } from './registry.ts'

// Elements that users add in a file: one a line, the columns of scripts/elements-own.tsv.
//
//   # enterprise   id   name   type        separated by tabs or spaces; # starts a comment
//   35632          57   l7Protocol   unsigned16

export interface OwnElement {
  /** Private enterprise number; 0 for those of IANA, and for what only NetFlow v9 numbers. */
  readonly enterprise: number
  readonly id: number
  readonly name: string
  readonly type: ElementType
}

export interface ElementProblem {
  /** From 1. */
  readonly line: number
  readonly expected: string
  readonly found: string
}

const MAX_ELEMENTS = 65_536

/** What a name may be: what other programs take as a field name. */
export function isElementName(text: string): boolean {
  return /^[A-Za-z][\w.-]{0,127}$/.test(text)
}

/** The elements of a file, and each line that is none with what was expected in its place. */
export function parseElements(text: string): { elements: OwnElement[]; problems: ElementProblem[] } {
  const elements: OwnElement[] = []
  const problems: ElementProblem[] = []
  const lines = new Map<string, number>()
  for (const [i, whole] of text.split(/\r?\n/).entries()) {
    const words = whole.replace(/#.*$/, '').trim().split(/\s+/)
    if (words.length === 1 && words[0] === '') continue
    const line = i + 1
    const wrong = (expected: string, found: string): unknown => problems.push({ line, expected, found })
    const [enterprise = '', id = '', name = '', type = ''] = words
    const most = enterprise === '0' ? 65_535 : 32_767
    if (words.length !== 4) wrong('enterprise, id, name and type', `${words.length} words`)
    else if (!isWhole(enterprise, 0xffff_ffff)) wrong('an enterprise number from 0 to 4294967295', enterprise)
    else if (!isWhole(id, most) || id === '0') wrong(`an element id from 1 to ${most}`, id)
    else if (!isElementName(name)) wrong('a name of letters, digits, _, . and -, a letter first', name)
    else if (!isElementType(type)) wrong(`a type: ${ELEMENT_TYPES.join(', ')}`, type)
    else if (lines.has(`${enterprise} ${id}`))
      wrong('an element that stands once', `${enterprise} ${id} again (line ${lines.get(`${enterprise} ${id}`)})`)
    else if (elements.length >= MAX_ELEMENTS) {
      wrong(`at most ${MAX_ELEMENTS} elements`, 'more')
      break
    } else {
      lines.set(`${enterprise} ${id}`, line)
      elements.push({ enterprise: Number(enterprise), id: Number(id), name, type })
    }
  }
  return { elements, problems }
}

function isWhole(text: string, most: number): boolean {
  return /^(0|[1-9]\d{0,9})$/.test(text) && Number(text) <= most
}
