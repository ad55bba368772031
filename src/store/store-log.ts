/** Where the store says what an operator should know. */
export interface StoreLog {
  info(message: string): void
  warn(message: string): void
}
