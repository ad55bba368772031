// How the words of the filter language are coloured.
import { Decoration, EditorView, ViewPlugin } from '@codemirror/view'
import type { DecorationSet, ViewUpdate } from '@codemirror/view'
import { NOUNS } from '../../../../src/query/filter/nouns.ts'

const LOGIC = new Set(['and', 'or', 'not', 'in', 'like', 'any', 'eq', 'ne', 'lt', 'gt', 'le', 'ge'])
const FIELDS = new Set([
  'src',
  'dst',
  'out',
  'ingress',
  'egress',
  'tun',
  'inner',
  'outer',
  ...NOUNS.flatMap((noun) => [noun.name, ...noun.alias].flatMap((text) => text.split(' '))),
])
const TOKENS = /"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[()[\],]|[=<>!]=?|&&?|\|\|?|[^\s()[\],=<>!"'&|]+/g

export type TokenClass = 'logic' | 'field' | 'value' | 'sign'

/** The tokens of a filter and what each is, by its looks alone. */
export function tokensOf(text: string): { from: number; to: number; kind: TokenClass }[] {
  return [...text.matchAll(TOKENS)].map((match) => ({
    from: match.index,
    to: match.index + match[0].length,
    kind: kindOf(match[0]),
  }))
}

function kindOf(token: string): TokenClass {
  if (/^["']/.test(token)) return 'value'
  if (/^[()[\],=<>!&|]/.test(token)) return 'sign'
  const word = token.toLowerCase()
  if (LOGIC.has(word)) return 'logic'
  return FIELDS.has(word) ? 'field' : 'value'
}

const MARKS: Readonly<Record<TokenClass, Decoration>> = {
  logic: Decoration.mark({ class: 'filter-logic' }),
  field: Decoration.mark({ class: 'filter-field' }),
  value: Decoration.mark({ class: 'filter-value' }),
  sign: Decoration.mark({ class: 'filter-sign' }),
}

function decorate(view: EditorView): DecorationSet {
  return Decoration.set(tokensOf(view.state.doc.toString()).map(({ from, to, kind }) => MARKS[kind].range(from, to)))
}

export const filterColours = ViewPlugin.define(
  (view) => ({
    decorations: decorate(view),
    update(update: ViewUpdate) {
      if (update.docChanged) this.decorations = decorate(update.view)
    },
  }),
  { decorations: (plugin) => plugin.decorations },
)

export const filterTheme = EditorView.theme({
  '&': { fontSize: '12.5px', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '6px 4px', caretColor: 'var(--ink)' },
  '.cm-line': { padding: '0 6px' },
  '.cm-cursor': { borderLeftColor: 'var(--ink)' },
  '.cm-placeholder': { color: 'var(--ink-2)' },
  '.filter-logic': { color: 'var(--ink-2)' },
  '.filter-field': { color: 'var(--filter-field)' },
  '.filter-value': { color: 'var(--filter-value)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': {
    backgroundColor: 'color-mix(in srgb, var(--accent) 25%, transparent) !important',
  },
  '.cm-tooltip': {
    backgroundColor: 'var(--panel)',
    color: 'var(--ink)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    overflow: 'hidden',
    boxShadow: '0 6px 24px rgb(0 0 0 / 12%)',
  },
  '.cm-tooltip.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '260px' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li': { padding: '3px 10px !important' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': {
    backgroundColor: 'var(--accent-soft)',
    color: 'var(--ink)',
  },
  '.cm-completionDetail': { color: 'var(--ink-2)', fontStyle: 'normal', fontFamily: 'var(--sans)', marginLeft: '12px' },
  '.cm-diagnostic': { padding: '4px 10px', borderLeftColor: 'var(--bad)' },
})
