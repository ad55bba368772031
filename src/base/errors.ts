/** Something the user gave is wrong: says what, where and what was expected. Shown without a stack. */
export class UserError extends Error {
  readonly hint: string | undefined
  /** Character offset in the text that the user gave, where there is one. */
  readonly position: number | undefined

  constructor(message: string, options: { hint?: string; position?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'UserError'
    this.hint = options.hint
    this.position = options.position
  }
}

/** Something around us failed (disk, port, engine): an operator can mend it. `code` is stable. */
export class OperatorError extends Error {
  readonly code: string
  readonly retryable: boolean
  readonly hint: string | undefined

  constructor(code: string, message: string, options: { retryable?: boolean; hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.name = 'OperatorError'
    this.code = code
    this.retryable = options.retryable ?? false
    this.hint = options.hint
  }
}

/** An invariant of our own is broken: a bug here, not the user's or the network's fault. */
export class BugError extends Error {
  constructor(message: string) {
    super(`internal error: ${message}`)
    this.name = 'BugError'
  }
}
