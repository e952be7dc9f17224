/** The thread that inflates: what runs in it, and how it and its owner speak. */
import type { Gunzip, Layout } from './gunzip-module.ts'

export interface Shared {
  module: WebAssembly.Module
  memory: WebAssembly.Memory
  layout: Layout
  /**
   * The owner's side: [0] pieces of input given, [1] pieces of output done with, both since the thread began; from [2] the
   * bytes in each place for input, or ~bytes when they are a stream's last. Counts of 32 bits last for 500 TB.
   */
  control: Int32Array
}

/** The thread's side. */
export type FromThread =
  /** So many pieces of input, since the thread began, are used: their places are free. */
  | { used: number }
  /** The next piece of output, in the next place. */
  | { bytes: number }
  /** All input is used, and all output told. */
  | { ended: true }
  | { invalid: string }

/**
 * Runs in the thread, one stream after another, for good; `workerData` is `Shared`. The thread gets its text, so it may use
 * nothing of this module.
 *
 * A member's length is checked and its CRC-32 is not: whoever reads a layer checks the digest of the same bytes (diffID), and
 * the sum would take an eighth of the thread's time.
 */
export function inflateStreams({ parentPort, workerData }: typeof import('node:worker_threads')): void {
  const { module, memory, layout, control } = workerData as Shared
  const tell = (message: FromThread) => parentPort?.postMessage(message)
  const placeOf = (places: number[], count: number) => places[count % places.length] as number
  let used = 0
  let made = 0

  const stream = (): FromThread => {
    const gunzip = new WebAssembly.Instance(module, { env: { memory } }).exports as unknown as Gunzip
    let isLast = false
    /** Of the present member, in places that were handed on. */
    let length = 0
    const room = () => {
      for (let done = Atomics.load(control, 1); made - done >= layout.outAt.length; done = Atomics.load(control, 1))
        Atomics.wait(control, 1, done)
      gunzip.room(placeOf(layout.outAt, made), layout.outBytes)
    }
    const handOn = () => {
      const count = gunzip.made()
      if (count === 0) return
      length += count
      tell({ bytes: count })
      made++
    }
    const take = () => {
      Atomics.wait(control, 0, used)
      const size = Atomics.load(control, 2 + (used % layout.inAt.length))
      isLast = size < 0
      gunzip.give(placeOf(layout.inAt, used), isLast ? ~size : size)
      // The rest of the piece before went in front of this one: only now is its place free.
      tell({ used })
      used++
    }
    room()
    for (;;) {
      const status = gunzip.run()
      if (status === 3) return { invalid: 'it is damaged' }
      if (status === 2) {
        if (gunzip.length.value >>> 0 !== (length + gunzip.made()) % 2 ** 32)
          return { invalid: 'the length at its end is wrong' }
        length = -gunzip.made()
      } else if (status === 1) {
        handOn()
        room()
      } else if (isLast) {
        handOn()
        if (!gunzip.mayEnd()) return { invalid: 'it ends too early' }
        return { ended: true }
      } else take()
    }
  }
  for (;;) {
    const last = stream()
    tell(last)
    if ('invalid' in last) return
  }
}
