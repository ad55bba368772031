// The filter, as code: coloured, completed, and with what is wrong underlined where it is wrong.
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  closeCompletion,
  completionKeymap,
  completionStatus,
  moveCompletionSelection,
} from '@codemirror/autocomplete'
import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { linter } from '@codemirror/lint'
import { Compartment, EditorState, Prec } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useQueryClient } from '@tanstack/react-query'
import type { Problem, ValuesAnswer } from '../../../../src/api/contract/query.ts'
import type { SavedFilter } from '../../../../src/api/contract/saved.ts'
import { completedValue, completeFilter } from '../../../../src/query/filter/complete.ts'
import { parseFilter } from '../../../../src/query/filter/parse.ts'
import type { FilterProblem } from '../../../../src/query/filter/problem.ts'
import { get } from '../../api/client.ts'
import { useSavedFilters } from '../../api/saved.ts'
import { filterColours, filterTheme } from './filter-language.ts'
import { recentFilters, rememberFilter } from './recent-filters.ts'

export interface FilterEditorProps {
  readonly value: string
  readonly onChange: (text: string) => void
  readonly onRun: (text: string) => void
  /** What the server said of the same text. */
  readonly told?: Problem
}

const TYPES = {
  noun: 'property',
  side: 'keyword',
  operator: 'operator',
  logic: 'keyword',
  value: 'constant',
  filter: 'variable',
} as const

/** What the server offers: looked up while typing, so remembered for a while. */
interface Offers {
  readonly filters: readonly SavedFilter[]
  values(column: string, prefix: string): Promise<readonly string[]>
}

type Complete = (context: CompletionContext) => CompletionResult | null | Promise<CompletionResult | null>

/** True at a place where a list would only be in the way: at the end of a whole word. */
function isQuiet(context: CompletionContext, from: number): boolean {
  const before = context.state.doc.sliceString(0, context.pos)
  return !context.explicit && context.pos === from && before !== '' && !/\s$/.test(before)
}

/** The words of the language, at once. */
function words(offers: () => Offers): Complete {
  return (context) => {
    const { filters } = offers()
    const names = filters.map((filter) => filter.name)
    const found = completeFilter(context.state.doc.toString(), context.pos, names)
    if (isQuiet(context, found.from) || found.options.length === 0) return null
    const text = new Map(filters.map(({ name, filter }) => [`@${name}`, filter]))
    return {
      from: found.from,
      filter: false,
      options: found.options.map((option) => ({
        label: option.label,
        type: TYPES[option.kind],
        ...detailed(option.detail ?? text.get(option.label)),
      })),
    }
  }
}

const MOST_DETAIL = 60

function detailed(detail: string | undefined): { detail?: string } {
  if (detail === undefined) return {}
  return { detail: detail.length > MOST_DETAIL ? `${detail.slice(0, MOST_DETAIL)}…` : detail }
}

/** Values that were seen, the most frequent first, as soon as the server has told them. */
function values(offers: () => Offers): Complete {
  return async (context) => {
    const found = completeFilter(context.state.doc.toString(), context.pos)
    if (!found.values || isQuiet(context, found.from)) return null
    const { column, noun, prefix } = found.values
    const known = await offers().values(column, prefix)
    if (context.aborted || known.length === 0) return null
    return {
      from: found.from,
      filter: false,
      options: known.map((value) => ({
        label: completedValue(noun, value),
        type: 'constant',
        detail: 'seen',
        boost: 50,
      })),
    }
  }
}

/** Filters that were run in this browser, where nothing is typed yet. */
function recent(context: CompletionContext): CompletionResult | null {
  if (context.state.doc.length > 0) return null
  const filters = recentFilters()
  return filters.length === 0
    ? null
    : {
        from: 0,
        filter: false,
        options: filters.slice(0, 5).map((label) => ({ label, type: 'text', detail: 'run before', boost: 90 })),
      }
}

/** What is wrong at the very end is most often only not written yet: it is said when nobody writes on. */
const UNFINISHED_MS = 1200
const WRONG_MS = 350

function isUnfinished(text: string, problem: { readonly position: number; readonly length: number }): boolean {
  return problem.position + problem.length >= text.trimEnd().length
}

function diagnose(view: EditorView) {
  const text = view.state.doc.toString()
  const read = parseFilter(text)
  if (read.ok) return []
  const { position, length, message, hint, expected } = read.problem
  const from = Math.min(position, Math.max(0, text.length - 1))
  const wanted = expected.length > 0 && expected.length < 8 ? ` Expected ${expected.join(', ')}.` : ''
  return [
    {
      from,
      to: Math.max(from, Math.min(text.length, position + Math.max(1, length))),
      severity: 'error' as const,
      message: `${message}.${wanted}${hint === undefined ? '' : ` ${hint}`}`,
    },
  ]
}

function problemText({ message, position, hint }: FilterProblem): string {
  return `${message} (character ${position + 1})${hint === undefined ? '' : `: ${hint}`}`
}

export function FilterEditor({ value, onChange, onRun, told }: FilterEditorProps) {
  const box = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const latest = useRef({ onChange, onRun })
  latest.current = { onChange, onRun }
  const first = useRef(value)
  const filters = useSavedFilters().data?.filters
  const queries = useQueryClient()
  const offers = useRef<Offers>({ filters: [], values: () => Promise.resolve([]) })
  offers.current = {
    filters: filters ?? [],
    values: (column, prefix) =>
      queries
        .fetchQuery({
          queryKey: ['values', column, prefix],
          staleTime: 60_000,
          retry: false,
          queryFn: ({ signal }) =>
            get<ValuesAnswer>(
              `/api/v1/values?column=${encodeURIComponent(column)}&prefix=${encodeURIComponent(prefix)}`,
              signal,
            ),
        })
        .then(
          (answer) => answer.values.map(String),
          () => [],
        ),
  }

  useEffect(() => {
    if (!box.current) return
    const run = (editor: EditorView) => {
      const text = editor.state.doc.toString()
      closeCompletion(editor)
      if (parseFilter(text).ok) rememberFilter(text)
      latest.current.onRun(text)
      return true
    }
    let wanted = false
    /** Tab takes what is chosen, or else the first that is offered, as soon as it is; it leaves the editor where nothing is. */
    const take = (editor: EditorView) => {
      const status = completionStatus(editor.state)
      wanted = status === 'pending'
      if (status === 'active' && !acceptCompletion(editor) && moveCompletionSelection(true)(editor))
        acceptCompletion(editor)
      return status !== null
    }
    const wrap = new Compartment()
    const editor = new EditorView({
      parent: box.current,
      state: EditorState.create({
        doc: first.current,
        extensions: [
          Prec.highest(
            keymap.of([
              { key: 'Mod-Enter', run },
              {
                key: 'Enter',
                run: (editor_) =>
                  (completionStatus(editor_.state) === 'active' && acceptCompletion(editor_)) || run(editor_),
              },
              { key: 'Tab', run: take },
            ]),
          ),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          history(),
          closeBrackets(),
          autocompletion({
            override: [recent, words(() => offers.current), values(() => offers.current)],
            icons: false,
            selectOnOpen: false,
            // Nothing is chosen until it is chosen by hand: no need to wait against keys that were meant for the text.
            interactionDelay: 0,
          }),
          linter(diagnose, { delay: UNFINISHED_MS }),
          // One question is one line: pasted line breaks become blanks.
          EditorState.transactionFilter.of((change) =>
            change.newDoc.lines > 1
              ? [
                  {
                    changes: {
                      from: 0,
                      to: change.startState.doc.length,
                      insert: change.newDoc.toString().replace(/\s*\n\s*/g, ' '),
                    },
                  },
                ]
              : change,
          ),
          wrap.of(EditorView.lineWrapping),
          filterColours,
          filterTheme,
          placeholder('all traffic: type a filter, such as  src vm web-7 and dst port 443'),
          EditorView.contentAttributes.of({
            'aria-label': 'Filter',
            spellcheck: 'false',
            autocapitalize: 'off',
            autocorrect: 'off',
          }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString())
            if (!wanted || completionStatus(update.state) === 'pending') return
            wanted = false
            if (!update.docChanged) queueMicrotask(() => take(update.view))
          }),
        ],
      }),
    })
    view.current = editor
    return () => editor.destroy()
  }, [])

  useEffect(() => {
    const editor = view.current
    if (editor && editor.state.doc.toString() !== value) {
      editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } })
    }
  }, [value])

  const read = useMemo(() => parseFilter(value), [value])
  const [settled, setSettled] = useState(value)
  useEffect(() => {
    const delay = !read.ok && isUnfinished(value, read.problem) ? UNFINISHED_MS : WRONG_MS
    const timer = setTimeout(() => setSettled(value), delay)
    return () => clearTimeout(timer)
  }, [value, read])
  const problem = read.ok ? told?.detail : settled === value ? problemText(read.problem) : undefined
  return (
    <div className="filter-wrap">
      <div className={`filter-box ${problem === undefined ? '' : 'wrong'}`} ref={box} />
      {problem === undefined ? null : (
        <p className="problem-line" role="status" title={problem}>
          {problem}
        </p>
      )}
    </div>
  )
}
