/**
 * A pattern in which `*` stands for any characters, capital letters or not → whether a text matches. No regular expression:
 * patterns come from users.
 */
export function wildcard(pattern: string): (text: string) => boolean {
  const parts = pattern.toLowerCase().split('*')
  const first = parts[0] as string
  const last = parts.at(-1) as string
  return (given) => {
    const text = given.toLowerCase()
    if (parts.length === 1) return text === first
    if (!text.startsWith(first)) return false
    let at = first.length
    for (const part of parts.slice(1, -1)) {
      const found = text.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return text.length - last.length >= at && text.endsWith(last)
  }
}
