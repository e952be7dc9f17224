/** How many packages one layer may tell of: what it tells beyond them is left out, and that it does is told. */
import type { Gaps } from './gaps.ts'
import type { FoundPackage } from './model.ts'

export class PackageBudget {
  readonly #max: number
  readonly #gaps: Gaps
  #taken = 0

  constructor(max: number, gaps: Gaps) {
    this.#max = max
    this.#gaps = gaps
  }

  get left(): number {
    return this.#max - this.#taken
  }

  /** So many of them as there is room for. */
  take(found: FoundPackage[]): FoundPackage[] {
    if (found.length > this.left) {
      this.#gaps.add(`the layer has more than ${this.#max} packages; the rest was not judged`)
      found.length = this.left
    }
    this.#taken += found.length
    return found
  }

  /** The same packages under another name of their file: a link costs a few bytes, what it leads to counts again. */
  takeAgain(found: readonly FoundPackage[], path: string): FoundPackage[] {
    return this.take(found.slice(0, this.left + 1).map((one) => ({ ...one, path })))
  }
}
