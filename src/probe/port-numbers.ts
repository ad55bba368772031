// Numbers of ports: each its own, and one whose port is gone only long afterwards that of another.

/** Numbers that rest before one of them is given again. */
const REST = 4096

export class PortNumbers {
  private next: number
  private resting: number[] = []

  constructor(first: number) {
    this.next = first
  }

  take(): number {
    return this.resting.length > REST ? (this.resting.shift() as number) : this.next++
  }

  give(number: number): void {
    this.resting.push(number)
  }
}
