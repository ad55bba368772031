import type { Key } from '../../names/dimensions.ts'
import type { View } from '../../url/search.ts'

/** What can be done with a thing that is pointed at: keep only it, leave it out, list its flows. */
export interface Acts {
  readonly keep: (columns: readonly string[], key: Key) => void
  readonly drop: (columns: readonly string[], key: Key) => void
  readonly flows: (columns: readonly string[], key: Key) => void
}

/** What each part of the page is given. */
export interface Part {
  readonly view: View
  readonly change: (next: Partial<View>) => void
  readonly acts: Acts
}
