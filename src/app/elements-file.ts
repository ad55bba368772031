import { readFileSync } from 'node:fs'
import { OperatorError, UserError } from '../base/errors.ts'
import { parseElements, type OwnElement } from '../wire/ipfix/own-elements.ts'

/** Problems that are told one by one; of more, how many there are. */
const MOST_TOLD = 20

/** Information elements that a user added in a file. Throws what is wrong with it, each line with what was expected. */
export function readElementsFile(file: string): OwnElement[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : (code ?? 'unknown error')
    throw new OperatorError('unreadable_file', `cannot read the elements in ${file}: ${why}`, { cause })
  }
  const { elements, problems } = parseElements(text)
  if (problems.length === 0) return elements
  const told = problems
    .slice(0, MOST_TOLD)
    .map(({ line, expected, found }) => `${file}:${line}: expected ${expected}, found ${found}`)
  if (problems.length > MOST_TOLD) told.push(`and ${problems.length - MOST_TOLD} more`)
  throw new UserError(told.join('\n'), {
    hint: 'each line has an enterprise number, an element id, a name and a type, with tabs or spaces between them',
  })
}
