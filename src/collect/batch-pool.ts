import { FlowBatch } from '../flow/flow-batch.ts'

/** A batch with the number by which the two threads know it. */
export interface PooledBatch {
  readonly id: number
  readonly batch: FlowBatch
  /** True once the other thread has its buffer. */
  known: boolean
}

/**
 * The batches of one receiver: allocated when first needed, never more than `limit`, reused last in first out, so that an
 * idle collector keeps to one buffer. What comes back is empty and zeroed.
 */
export class BatchPool {
  readonly #rows: number
  readonly #limit: number
  readonly #free: PooledBatch[] = []
  readonly #lent = new Map<number, PooledBatch>()
  #nextId = 0
  #lowWater = 0

  constructor(rows: number, limit: number) {
    this.#rows = rows
    this.#limit = limit
  }

  get allocated(): number {
    return this.#free.length + this.#lent.size
  }

  /** Batches that can be had now. */
  get free(): number {
    return this.#limit - this.#lent.size
  }

  take(): PooledBatch | undefined {
    let pooled = this.#free.pop()
    if (!pooled && this.#lent.size < this.#limit)
      pooled = { id: this.#nextId++, batch: new FlowBatch(this.#rows), known: false }
    if (pooled) this.#lent.set(pooled.id, pooled)
    this.#lowWater = Math.min(this.#lowWater, this.#free.length)
    return pooled
  }

  giveBack(id: number): void {
    const pooled = this.#lent.get(id)
    if (!pooled) return
    this.#lent.delete(id)
    pooled.batch.n = 0
    this.#free.push(pooled)
  }

  /** Lets go of the batches that were not needed since the last call, but for one; answers their numbers. */
  shrink(): number[] {
    const surplus = this.#free.splice(0, Math.max(0, this.#lowWater - 1))
    this.#lowWater = this.#free.length
    return surplus.map(({ id }) => id)
  }
}
