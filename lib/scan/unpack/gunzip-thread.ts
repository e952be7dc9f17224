/** The thread that inflates: what runs in it, and how it and its owner speak. */
import type { Gunzip, Layout } from './gunzip-module.ts'

/** One stream at a time, and another when it has ended. Each has a memory, for the tables of a stream lie at fixed places. */
export interface Slot {
  memory: WebAssembly.Memory
  /** The places of `FIELDS`, in words of 32 bits. */
  control: Int32Array
}

/**
 * What a slot's two sides tell each other. All of it is 0 while the slot is free: the owner clears it when a stream has
 * ended, `state` last. Counts are those of one stream: of 32 bits, at 256 KiB a piece, they last for 500 TB.
 */
export const FIELDS = {
  /** 0 while a stream goes on, else the place in `ENDS` plus 1. Set by the thread, which then leaves the slot alone. */
  state: 0,
  /** The owner's: pieces of input given, pieces of output done with, 1 for a stream that nobody wants any more. */
  given: 1,
  done: 2,
  unwanted: 3,
  /** The thread's: pieces of input it needs no longer, pieces of output made. */
  used: 4,
  made: 5,
  /** The bytes in each place for input, or ~bytes when they are a stream's last; then those in each place for output. */
  sizes: 6,
} as const

/** How a stream ends, in the order of `state`. The first two are no damage. */
export const ENDS = [
  'whole',
  'unwanted',
  'it is damaged',
  'the length at its end is wrong',
  'it ends too early',
] as const

export interface Shared {
  module: WebAssembly.Module
  layout: Layout
  slots: Slot[]
  fields: typeof FIELDS
  /** [0] is counted up with whatever the owner tells; [1] is 1 while a message is on its way to the owner. */
  bell: Int32Array
}

/**
 * Runs in the thread, for good; `workerData` is `Shared`. The thread gets its text, so it may use nothing of this module.
 * Streams take turns, piece by piece. A message says no more than that there is something to see.
 *
 * A member's length is checked and its CRC-32 is not: whoever reads a layer checks the digest of the same bytes (diffID), and
 * the sum would take an eighth of the thread's time.
 */
export function inflateStreams({ parentPort, workerData }: typeof import('node:worker_threads')): void {
  const { module, layout, slots, fields, bell } = workerData as Shared
  const { inAt, outAt, outBytes } = layout
  const places = inAt.length
  const tell = () => {
    if (Atomics.exchange(bell, 1, 1) === 0) parentPort?.postMessage(0)
  }

  /** Takes a step in one slot; false when there is none to take. */
  const runnerOf = ({ memory, control }: Slot) => {
    let gunzip: Gunzip | undefined
    let used = 0
    let made = 0
    let isLast = false
    let lacksInput = true
    let lacksRoom = true
    /** Of the present member, in places that were handed on. */
    let length = 0

    const end = (how: number) => {
      gunzip = undefined
      used = made = length = 0
      isLast = false
      lacksInput = lacksRoom = true
      Atomics.store(control, fields.state, how + 1)
      tell()
      return true
    }
    const handOn = (stream: Gunzip) => {
      const count = stream.made()
      if (count === 0) return
      length += count
      control[fields.sizes + places + (made % places)] = count
      Atomics.store(control, fields.made, ++made)
      tell()
    }
    return () => {
      if (Atomics.load(control, fields.state) !== 0) return false
      if (Atomics.load(control, fields.unwanted) !== 0) return end(1)
      if (lacksInput && Atomics.load(control, fields.given) === used) return false
      if (lacksRoom && made - Atomics.load(control, fields.done) >= places) return false
      gunzip ??= new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Gunzip
      if (lacksRoom) gunzip.room(outAt[made % places] as number, outBytes)
      if (lacksInput) {
        const size = control[fields.sizes + (used % places)] as number
        isLast = size < 0
        gunzip.give(inAt[used % places] as number, isLast ? ~size : size)
        // The rest of the piece before went in front of this one: only now is its place free.
        Atomics.store(control, fields.used, used)
        if (used > 0) tell()
        used++
      }
      lacksInput = lacksRoom = false
      const status = gunzip.run()
      if (status === 3) return end(2)
      if (status === 2) {
        if (gunzip.length.value >>> 0 !== (length + gunzip.made()) % 2 ** 32) return end(3)
        length = -gunzip.made()
      } else if (status === 1 || isLast) {
        handOn(gunzip)
        lacksRoom = true
        if (status === 0) return end(gunzip.mayEnd() ? 0 : 4)
      } else lacksInput = true
      return true
    }
  }
  const runners = slots.map(runnerOf)
  for (;;) {
    const heard = Atomics.load(bell, 0)
    let moved = false
    for (const run of runners) if (run()) moved = true
    if (!moved) Atomics.wait(bell, 0, heard)
  }
}
