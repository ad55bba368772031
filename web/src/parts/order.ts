// Putting the things of a list into another order.

/** `items` with the one at `from` put at `to`. */
export function moved(items: readonly string[], from: number, to: number): readonly string[] {
  const item = items[from]
  if (item === undefined || to < 0 || to >= items.length || from === to) return items
  const rest = items.filter((_, at) => at !== from)
  return [...rest.slice(0, to), item, ...rest.slice(to)]
}

interface Box {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

/**
 * The place that a pointer at (x, y) means for the chip at `from`: that of the chip it is over, or none. A wider one is
 * passed only where the dragged one will lie under the pointer afterwards: otherwise they would change places for ever.
 */
export function placeAt(boxes: readonly Box[], from: number, x: number, y: number): number | undefined {
  const at = boxes.findIndex((box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom)
  const over = boxes[at]
  const dragged = boxes[from]
  if (!over || !dragged) return undefined
  if (over.top !== dragged.top) return at
  const width = dragged.right - dragged.left
  if (at > from && x < over.right - width) return undefined
  return at < from && x > over.left + width ? undefined : at
}
