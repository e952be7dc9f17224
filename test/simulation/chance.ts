/** Seeded chance, cheap: a history draws some hundred numbers. Chris Doty-Humphrey's sfc32, seeded by splitmix32. */
import type { Random } from '../../lib/clock.ts'

export class Chance implements Random {
  #a: number
  #b: number
  #c: number
  #count = 1

  constructor(seed: number) {
    let state = seed | 0
    const mixed = () => {
      state = (state + 0x9e3779b9) | 0
      let t = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
      t = Math.imul(t ^ (t >>> 15), 0x735a2d97)
      return t ^ (t >>> 15)
    }
    this.#a = mixed()
    this.#b = mixed()
    this.#c = mixed()
  }

  next(): number {
    const t = (((this.#a + this.#b) | 0) + this.#count) | 0
    this.#count = (this.#count + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + t) | 0
    return (t >>> 0) / 4_294_967_296
  }

  bytes(count: number): Uint8Array {
    const bytes = new Uint8Array(count)
    for (let i = 0; i < count; i++) bytes[i] = Math.floor(this.next() * 256)
    return bytes
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number from..to, both included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  pick<T>(values: readonly T[]): T {
    return values[Math.floor(this.next() * values.length)] as T
  }
}
