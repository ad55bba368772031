/** Uniform in [0, 1). */
export interface RandomSource {
  unit(): number
}

/**
 * Random 1-in-N sampling of one data source as sFlow has it (sFlow v5 §3.1): after each sample, the number of packets to skip is
 * drawn anew, uniform in [1, 2N−1], mean N. Jumps over the packets that it skips, so a train of packets costs as much as its samples.
 */
export class Sampler {
  rate = 1
  /** Packets that could have been sampled. */
  pool = 0
  /** Samples taken. */
  sequence = 0
  private readonly random: RandomSource
  /** Packets until the next sample, that one included. */
  private skip = 1

  constructor(rate: number, random: RandomSource) {
    this.random = random
    this.setRate(rate)
  }

  /** Goes on at another rate, with its pool and sequence. */
  setRate(rate: number): void {
    this.rate = rate
    // As if it had long been running, so that any packet, the first included, is sampled with probability 1/N:
    // what is left of a skip that has begun is k with a probability that falls linearly in k.
    do this.skip = this.draw()
    while (this.random.unit() * (2 * rate - 1) >= 2 * rate - this.skip)
  }

  /**
   * Position (from 1) of the next sample among the following `count` packets, or 0 if none of them is sampled. The caller
   * asks again with the packets behind that one.
   */
  next(count: number): number {
    if (count < this.skip) {
      this.skip -= count
      this.pool += count
      return 0
    }
    const position = this.skip
    this.pool += position
    this.sequence++
    this.skip = this.draw()
    return position
  }

  /** All of the packets, at a rate of 1. */
  all(count: number): void {
    this.pool += count
    this.sequence += count
  }

  private draw(): number {
    return 1 + Math.floor(this.random.unit() * (2 * this.rate - 1))
  }
}
