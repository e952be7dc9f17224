/**
 * A binary heap whose members know their place, so that one can leave or change its key in O(log n): a deleted message
 * must not stay behind as garbage, and a group's rank changes with every receipt.
 */
export interface HeapMember {
  /** The place in the one heap that holds it; -1 outside of any. Only the heap writes it. */
  place: number
}

export class Heap<T extends HeapMember> {
  readonly #members: T[] = []
  readonly #before: (a: T, b: T) => boolean

  constructor(before: (a: T, b: T) => boolean) {
    this.#before = before
  }

  get size(): number {
    return this.#members.length
  }

  peek(): T | undefined {
    return this.#members[0]
  }

  has(member: T): boolean {
    return this.#members[member.place] === member
  }

  push(member: T): void {
    this.#members.push(member)
    this.#rise(member, this.#members.length - 1)
  }

  pop(): T | undefined {
    const first = this.#members[0]
    if (first) this.delete(first)
    return first
  }

  /** Takes a member out from wherever it is; one that is not here is left alone. */
  delete(member: T): void {
    if (!this.has(member)) return
    const last = this.#members.pop()!
    const place = member.place
    member.place = -1
    if (last === member) return
    last.place = place
    this.#members[place] = last
    this.update(last)
  }

  /** Puts a member where it belongs after its key changed. */
  update(member: T): void {
    const place = member.place
    this.#rise(member, place)
    if (member.place === place) this.#sink(member, place)
  }

  #rise(member: T, from: number): void {
    let place = from
    while (place > 0) {
      const above = (place - 1) >> 1
      const parent = this.#members[above]!
      if (!this.#before(member, parent)) break
      this.#set(parent, place)
      place = above
    }
    this.#set(member, place)
  }

  #sink(member: T, from: number): void {
    let place = from
    for (;;) {
      let below = 2 * place + 1
      if (below >= this.#members.length) break
      const right = this.#members[below + 1]
      if (right && this.#before(right, this.#members[below]!)) below++
      const child = this.#members[below]!
      if (!this.#before(child, member)) break
      this.#set(child, place)
      place = below
    }
    this.#set(member, place)
  }

  #set(member: T, place: number): void {
    member.place = place
    this.#members[place] = member
  }
}
