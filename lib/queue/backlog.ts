/**
 * The messages of one queue and who is next. Shared by the memory twin and the embedded SQS server.
 *
 * Standard: the group with the fewest messages in flight goes first, among equals the one that has waited longest for
 * its turn; a message without a group is a group of its own (how SQS fair queues count tenants). Ordered (FIFO): the
 * oldest message goes first, and a group waits while one of its messages is in flight.
 *
 * Every step costs O(log n): 100,000 waiting messages are as cheap as ten. Nothing here looks at a clock or a timer.
 */
import { Heap, type HeapMember } from './heap.ts'

export interface Entry extends HeapMember {
  group: string | undefined
  /** From when on it may be received, milliseconds since the epoch. */
  visibleAt: number
  /** Smaller goes first; given by the backlog when the entry is added. */
  order: number
  state: 'ready' | 'delayed' | 'inFlight'
}

interface Group<T extends Entry> extends HeapMember {
  name: string | undefined
  ready: Heap<T>
  inFlight: number
  /** When it was last served, in the same count as `Entry.order`. */
  turn: number
}

export interface BacklogOptions {
  /** FIFO: oldest first, a group waits while one of its messages is in flight. */
  ordered?: boolean
  /** Added to an entry's order, so that tests get messages out of order. */
  disorder?: () => number
}

export class Backlog<T extends Entry> {
  readonly #ordered: boolean
  readonly #disorder: (() => number) | undefined
  readonly #groups = new Map<string | undefined, Group<T>>()
  /** Groups that have something to give. */
  readonly #open: Heap<Group<T>>
  /** Delayed and in flight, by `visibleAt`. */
  readonly #timed = new Heap<T>(
    (a, b) => a.visibleAt < b.visibleAt || (a.visibleAt === b.visibleAt && a.order < b.order),
  )
  #count = 0
  #ready = 0
  #delayed = 0
  #inFlight = 0

  constructor(options: BacklogOptions = {}) {
    this.#ordered = options.ordered ?? false
    this.#disorder = options.disorder
    this.#open = new Heap<Group<T>>(this.#ordered ? olderHead : fairer)
  }

  /** `visible`, `delayed` and `inFlight` as of the last `settle`. */
  get counts(): { visible: number; delayed: number; inFlight: number } {
    return { visible: this.#ready, delayed: this.#delayed, inFlight: this.#inFlight }
  }

  /** A new entry; it waits until its `visibleAt`. */
  add(entry: T, now: number): void {
    entry.order = ++this.#count + (this.#disorder?.() ?? 0)
    if (entry.visibleAt > now) {
      entry.state = 'delayed'
      this.#delayed++
      this.#timed.push(entry)
    } else this.#makeReady(entry)
  }

  /** Lets delays and visibility timeouts that are over take effect. */
  settle(now: number): void {
    for (let entry = this.#timed.peek(); entry && entry.visibleAt <= now; entry = this.#timed.peek()) {
      this.#leave(entry)
      this.#makeReady(entry)
    }
  }

  /**
   * Takes the next entry in flight; `hide` must follow, or `remove`. `same` is the group of the entry taken just
   * before by the same receive call, from which an ordered queue may go on.
   */
  take(now: number, same?: string): T | undefined {
    this.settle(now)
    const group = (this.#ordered && same !== undefined ? this.#withReady(same) : undefined) ?? this.#open.peek()
    const entry = group?.ready.pop()
    if (!group || !entry) return undefined
    this.#ready--
    this.#inFlight++
    entry.state = 'inFlight'
    group.inFlight++
    group.turn = ++this.#count
    this.#rank(group)
    return entry
  }

  /** Sets when an entry in flight comes back, also when it was set before. */
  hide(entry: T, visibleAt: number, now: number): void {
    this.#timed.delete(entry)
    entry.visibleAt = visibleAt
    this.#timed.push(entry)
    this.settle(now)
  }

  /** Forgets an entry in whatever state it is. */
  remove(entry: T): void {
    this.#leave(entry)
  }

  /** The next instant at which an entry becomes receivable by itself. */
  nextChange(): number | undefined {
    return this.#timed.peek()?.visibleAt
  }

  #makeReady(entry: T): void {
    entry.state = 'ready'
    this.#ready++
    let group = this.#groups.get(entry.group)
    if (!group) {
      const ready = new Heap<T>((a, b) => a.order < b.order)
      group = { name: entry.group, ready, inFlight: 0, turn: entry.order, place: -1 }
      this.#groups.set(entry.group, group)
    }
    group.ready.push(entry)
    this.#rank(group)
  }

  /** Takes the entry out of the place its state says. */
  #leave(entry: T): void {
    const group = this.#groups.get(entry.group)
    if (entry.state === 'ready') {
      this.#ready--
      group?.ready.delete(entry)
    } else {
      this.#timed.delete(entry)
      if (entry.state === 'delayed') this.#delayed--
      else {
        this.#inFlight--
        if (group) group.inFlight--
      }
    }
    if (group) this.#rank(group)
  }

  #rank(group: Group<T>): void {
    const open = group.ready.size > 0 && !(this.#ordered && group.inFlight > 0)
    if (!open) this.#open.delete(group)
    else if (this.#open.has(group)) this.#open.update(group)
    else this.#open.push(group)
    if (group.ready.size === 0 && group.inFlight === 0) this.#groups.delete(group.name)
  }

  #withReady(name: string): Group<T> | undefined {
    const group = this.#groups.get(name)
    return group && group.ready.size > 0 ? group : undefined
  }
}

function olderHead<T extends Entry>(a: Group<T>, b: Group<T>): boolean {
  return a.ready.peek()!.order < b.ready.peek()!.order
}

function fairer<T extends Entry>(a: Group<T>, b: Group<T>): boolean {
  const load = loadOf(a) - loadOf(b)
  return load < 0 || (load === 0 && turnOf(a) < turnOf(b))
}

const loadOf = <T extends Entry>(group: Group<T>) => (group.name === undefined ? 0 : group.inFlight)

const turnOf = <T extends Entry>(group: Group<T>) => (group.name === undefined ? group.ready.peek()!.order : group.turn)
