// The grammar of vsprobed.conf: nested sections of attributes.
//
//   file       { section }
//   section    name "{" { attribute | section } "}"
//   attribute  name "=" value
//   value      a word, or text in double quotes; "#" begins a comment

/** Where something stands, counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

export interface Attribute extends Place {
  readonly name: string
  readonly value: string
  readonly valueAt: Place
}

export interface Section extends Place {
  readonly name: string
  readonly attributes: readonly Attribute[]
  readonly sections: readonly Section[]
}

export interface Problem extends Place {
  /** What is wrong and what was expected. */
  readonly message: string
}

interface Token extends Place {
  readonly kind: 'word' | '{' | '}' | '=' | 'end'
  readonly text: string
}

/** Reads the text; what can't be read is a problem, and ends the reading where sections no longer close. */
export function readSections(text: string): { root: Section; problems: Problem[] } {
  const tokens = tokensOf(text)
  const problems: Problem[] = []
  let at = 0
  const next = (): Token => tokens[Math.min(at, tokens.length - 1)] as Token
  const place = ({ line, column }: Place): Place => ({ line, column })

  function body(name: string, start: Place, isRoot: boolean): Section {
    const attributes: Attribute[] = []
    const sections: Section[] = []
    for (;;) {
      const token = next()
      if (token.kind === 'end') {
        if (!isRoot)
          problems.push({
            ...place(token),
            message: `the section “${name}” of line ${start.line} does not end: expected “}”`,
          })
        break
      }
      at++
      if (token.kind === '}') {
        if (!isRoot) break
        problems.push({ ...place(token), message: 'this “}” closes nothing' })
        continue
      }
      if (token.kind !== 'word') {
        problems.push({
          ...place(token),
          message: `expected the name of an attribute or a section before “${token.text}”`,
        })
        continue
      }
      const follows = next()
      if (follows.kind === '{') {
        at++
        sections.push(body(token.text, place(token), false))
      } else if (follows.kind === '=') {
        at++
        const value = next()
        if (value.kind === 'word') at++
        else problems.push({ ...place(value), message: `expected a value for “${token.text}”` })
        if (value.kind === 'word')
          attributes.push({ ...place(token), name: token.text, value: value.text, valueAt: place(value) })
      } else {
        problems.push({ ...place(follows), message: `expected “=” or “{” after “${token.text}”` })
      }
    }
    return { ...start, name, attributes, sections }
  }

  return { root: body('', { line: 1, column: 1 }, true), problems }
}

const TOKEN = /#[^\n]*|"([^"\n]*)"|[{}=]|[^\s{}=#"]+|"/g

function tokensOf(text: string): Token[] {
  const tokens: Token[] = []
  let line = 1
  let lineStart = 0
  let looked = 0
  const placeOf = (index: number): Place => {
    for (let i = text.indexOf('\n', looked); i >= 0 && i < index; i = text.indexOf('\n', i + 1)) {
      line++
      lineStart = i + 1
    }
    looked = Math.max(lineStart, index)
    return { line, column: index - lineStart + 1 }
  }
  for (const match of text.matchAll(TOKEN)) {
    const found = match[0]
    if (found.startsWith('#')) continue
    const kind = found === '{' || found === '}' || found === '=' ? found : 'word'
    tokens.push({ kind, text: match[1] ?? found, ...placeOf(match.index) })
  }
  tokens.push({ kind: 'end', text: 'the end', ...placeOf(text.length) })
  return tokens
}
