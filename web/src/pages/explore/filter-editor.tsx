// The filter, as code: coloured, completed, and with what is wrong underlined where it is wrong.
import {
  acceptCompletion,
  autocompletion,
  closeBrackets,
  completionKeymap,
  completionStatus,
} from '@codemirror/autocomplete'
import type { CompletionContext, CompletionResult } from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { linter } from '@codemirror/lint'
import { Compartment, EditorState, Prec } from '@codemirror/state'
import { EditorView, keymap, placeholder } from '@codemirror/view'
import { useEffect, useMemo, useRef } from 'react'
import type { Problem } from '../../../../src/api/contract/query.ts'
import { completedValue, completeFilter } from '../../../../src/query/filter/complete.ts'
import { parseFilter } from '../../../../src/query/filter/parse.ts'
import { get } from '../../api/client.ts'
import { filterColours, filterTheme } from './filter-language.ts'

export interface FilterEditorProps {
  readonly value: string
  readonly onChange: (text: string) => void
  readonly onRun: (text: string) => void
  /** What the server said of the same text. */
  readonly told?: Problem
}

async function liveValues(column: string, prefix: string): Promise<readonly string[]> {
  const path = `/api/v1/values?column=${encodeURIComponent(column)}&prefix=${encodeURIComponent(prefix)}`
  return get<{ values: (string | number)[] }>(path).then(
    (answer) => answer.values.map(String),
    () => [],
  )
}

const TYPES = { noun: 'property', side: 'keyword', operator: 'operator', logic: 'keyword', value: 'constant' } as const

async function complete(context: CompletionContext): Promise<CompletionResult | null> {
  const text = context.state.doc.toString()
  const found = completeFilter(text, context.pos)
  if (!context.explicit && context.pos === found.from && text !== '' && !/\s$/.test(text.slice(0, context.pos)))
    return null
  const live = found.values ? await liveValues(found.values.column, found.values.prefix) : []
  const noun = found.values?.noun ?? ''
  const options = [
    ...live.map((value) => ({ label: completedValue(noun, value), type: 'constant', boost: 2 })),
    ...found.options.map((option) => ({
      label: option.label,
      type: TYPES[option.kind],
      ...(option.detail === undefined ? {} : { detail: option.detail }),
    })),
  ]
  return options.length === 0 ? null : { from: found.from, options, filter: false }
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

export function FilterEditor({ value, onChange, onRun, told }: FilterEditorProps) {
  const box = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView>(undefined)
  const latest = useRef({ onChange, onRun })
  latest.current = { onChange, onRun }
  const first = useRef(value)

  useEffect(() => {
    if (!box.current) return
    const run = (editor: EditorView) => {
      latest.current.onRun(editor.state.doc.toString())
      return true
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
              { key: 'Tab', run: acceptCompletion },
            ]),
          ),
          keymap.of([...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          history(),
          closeBrackets(),
          autocompletion({ override: [complete], icons: false, selectOnOpen: false }),
          linter(diagnose, { delay: 350 }),
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
  const problem = read.ok ? told?.detail : read.problem.message
  return (
    <div className="filter-wrap">
      <div className={`filter-box ${problem === undefined ? '' : 'wrong'}`} ref={box} />
      {problem === undefined ? null : (
        <p className="problem-line" role="status">
          {problem}
          {read.ok ? '' : ` (character ${read.problem.position + 1})`}
          {read.ok || read.problem.hint === undefined ? '' : `: ${read.problem.hint}`}
        </p>
      )}
    </div>
  )
}
