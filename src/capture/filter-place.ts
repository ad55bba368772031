// Where in a filter the mistake is. libpcap says what it did not understand, but not where.

export interface FilterPlace {
  readonly from: number
  readonly length: number
}

/** What may follow the beginning of a filter so that it is whole. */
const ENDINGS = [
  '',
  ' 1',
  ' 1.2.3.4',
  ' port 1',
  ' host 1.2.3.4',
  ' tcp',
  ' = 1',
  ' 1 = 1',
  '] = 1',
  ' 1.2.3.4 mask 1.2.3.4',
  ' 0:0:0:0:0:1',
]
/** Names in a filter are looked up each time that it is compiled, which may take long. */
const LONGEST_MS = 300
const MOST_WORDS = 200

/**
 * The first word after which nothing makes a filter of what was said so far; its end, with a length of 0, if something is
 * missing there. Undefined if that can't be found out.
 * @param complaint libpcap's words
 * @param complaintOf libpcap's words about another text; '' if it has none
 */
export function placeInFilter(
  expression: string,
  complaint: string,
  complaintOf: (text: string) => string,
): FilterPlace | undefined {
  const quoted = placeOfQuoted(expression, complaint)
  if (quoted) return quoted
  if (!complaint.includes('syntax error')) return undefined
  const words = [...expression.matchAll(/[()]|[^\s()]+/g)]
  if (words.length > MOST_WORDS) return undefined
  const end = performance.now() + LONGEST_MS
  let open = 0
  for (const word of words) {
    if (performance.now() > end) return undefined
    if (word[0] === '(') open++
    const beginning = expression.slice(0, word.index + word[0].length)
    if (word[0] === ')') open--
    const closing = ')'.repeat(Math.max(0, open))
    // Whatever else may be wrong with it, such as that no packet can pass
    if (ENDINGS.every((ending) => complaintOf(`${beginning}${ending}${closing}`).includes('syntax error')))
      return { from: word.index, length: word[0].length }
  }
  return { from: expression.trimEnd().length, length: 0 }
}

/** Most complaints name the word: “unknown host 'web1'”, “illegal token: @”. */
function placeOfQuoted(expression: string, complaint: string): FilterPlace | undefined {
  const word = (
    /['“"]([^'”"]+)['”"]/.exec(complaint) ?? /(?:token|number|port|address):? (\S+?)(?: >|$)/.exec(complaint)
  )?.[1]
  const from = word === undefined ? -1 : expression.indexOf(word)
  return from < 0 ? undefined : { from, length: (word as string).length }
}

/** The filter with its place marked, as two lines. */
export function markedFilter(expression: string, { from, length }: FilterPlace): string {
  return `  ${expression}\n  ${' '.repeat(from)}${'^'.repeat(Math.max(1, length))}`
}
