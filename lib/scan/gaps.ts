/** Sentences about what could not be seen. Bounded: the first ones are kept, the rest is counted. */
export class Gaps {
  readonly #max: number
  readonly #sentences = new Set<string>()
  #dropped = 0

  constructor(max: number) {
    this.#max = max
  }

  add(sentence: string): void {
    if (this.#sentences.has(sentence)) return
    if (this.#sentences.size < this.#max) this.#sentences.add(sentence)
    else this.#dropped++
  }

  list(): string[] {
    const all = [...this.#sentences]
    if (this.#dropped > 0) all.push(`${this.#dropped} more such places are not listed`)
    return all
  }
}
