// What the command key is called on this keyboard.

export function commandKey(platform: string): string {
  return /mac|iphone|ipad/i.test(platform) ? '⌘' : 'Ctrl'
}

/** `⌘ K`, `Ctrl K`. */
export function withCommand(key: string): string {
  return `${commandKey(navigator.platform)} ${key}`
}
