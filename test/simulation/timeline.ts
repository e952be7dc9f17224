/** What will happen and when, in order of time, then in the order it was planned. */

export interface Happening {
  readonly at: number
  cancel(): void
}

class Planned implements Happening {
  readonly at: number
  readonly order: number
  run: (() => void) | undefined

  constructor(at: number, order: number, run: () => void) {
    this.at = at
    this.order = order
    this.run = run
  }

  cancel(): void {
    this.run = undefined
  }
}

export class Timeline {
  readonly #heap: Planned[] = []
  #count = 0

  add(at: number, run: () => void): Happening {
    const planned = new Planned(at, this.#count++, run)
    const heap = this.#heap
    let place = heap.length
    heap.push(planned)
    while (place > 0) {
      const above = (place - 1) >> 1
      if (!before(planned, heap[above]!)) break
      heap[place] = heap[above]!
      place = above
    }
    heap[place] = planned
    return planned
  }

  /** When the next thing happens that was not cancelled. */
  peek(): number | undefined {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (first.run) return first.at
      this.#pop()
    }
    return undefined
  }

  next(): { at: number; run: () => void } | undefined {
    if (this.peek() === undefined) return undefined
    const { at, run } = this.#pop()
    return { at, run: run! }
  }

  #pop(): Planned {
    const heap = this.#heap
    const first = heap[0]!
    const last = heap.pop()!
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let below = 2 * place + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++
      if (!before(heap[below]!, last)) break
      heap[place] = heap[below]!
      place = below
    }
    heap[place] = last
    return first
  }
}

const before = (a: Planned, b: Planned): boolean => a.at < b.at || (a.at === b.at && a.order < b.order)
