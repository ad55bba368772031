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

/** The place that a pointer at (x, y) means: that of the chip it is over, or none. */
export function placeAt(boxes: readonly Box[], x: number, y: number): number | undefined {
  const at = boxes.findIndex((box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom)
  return at < 0 ? undefined : at
}
