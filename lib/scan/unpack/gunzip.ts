/**
 * Gzip by assembly/, in a thread beside the one that hashes and walks; why not node:zlib: docs/decisions/0011-gunzip.md.
 */
import { Worker } from 'node:worker_threads'
import { LongshoreError } from '../../errors.ts'
import { gunzipModule, layoutOf, memoryFor } from './gunzip-module.ts'
import { ENDS, FIELDS, inflateStreams, type Shared, type Slot } from './gunzip-thread.ts'
import type { Deliver, Unpacker } from './unpacker.ts'

/** Measured: with half of it messages cost more, with twice the pieces have left the caches before they are hashed. */
const PLACE_BYTES = 262_144
/** Room for one side to be ahead of the other. */
const PLACES = 4
/** Streams at once, as many as a scan reads layers (`layersInParallelMax`); a slot takes 2.3 MB when it is used. */
const SLOTS = 3
const LAYOUT = layoutOf(PLACES, PLACE_BYTES, PLACE_BYTES)

interface Thread {
  worker: Worker
  shared: Shared
  /** What is at work in each slot. */
  streams: (GunzipInThread | undefined)[]
}

/** One for the whole process: two cores are what a worker has at most, and the other one walks. */
let thread: Thread | undefined
/** There is no WebAssembly here, or no thread to be had: node:zlib does it all. */
let isImpossible = false

const newSlot = (): Slot => ({
  memory: memoryFor(LAYOUT),
  control: new Int32Array(new SharedArrayBuffer(4 * (FIELDS.sizes + 2 * PLACES))),
})

function begin(): Thread {
  const shared: Shared = {
    module: gunzipModule(),
    layout: LAYOUT,
    slots: Array.from({ length: SLOTS }, newSlot),
    fields: FIELDS,
    bell: new Int32Array(new SharedArrayBuffer(8)),
  }
  // Its text must stand alone: nothing that a bundler adds (esbuild's keepNames) is there.
  const worker = new Worker(`(${inflateStreams})(require('node:worker_threads'))`, {
    eval: true,
    workerData: shared,
    // It needs nothing of ours, and gets no secrets.
    env: {},
    execArgv: [],
    resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 16 },
  })
  const begun: Thread = { worker, shared, streams: shared.slots.map(() => undefined) }
  let hasSpoken = false
  const gone = (cause?: Error) => {
    if (thread === begun) {
      thread = undefined
      isImpossible = !hasSpoken
    }
    const why = cause ? `: ${cause.message}` : ''
    const error = new LongshoreError('internal', `the thread that inflates has ended${why}`, { cause })
    for (const stream of begun.streams) stream?.destroy(error)
  }
  worker.on('message', () => {
    hasSpoken = true
    // Before anything is looked at: what is told from here on makes a message of its own.
    Atomics.store(shared.bell, 1, 0)
    for (const stream of begun.streams) stream?.look()
  })
  // Also while it has nothing to do: an error that nobody hears would end the process.
  worker.on('error', gone).on('exit', () => gone())
  worker.unref()
  return begun
}

/** Undefined where there can be no such thread. */
function theThread(): Thread | undefined {
  if (isImpossible) return undefined
  try {
    thread ??= begin()
  } catch {
    isImpossible = true
  }
  return thread
}

/** Begins the thread, for whoever knows that there will be layers: that takes as long as to load the rest of a scan. */
export function beginGunzip(): void {
  theThread()
}

/** Whether a stream need not wait for a thread to begin. */
export const isGunzipBegun = (): boolean => thread !== undefined

/** Undefined while all slots are taken, and where there can be no such thread. */
export function gunzip(deliver: Deliver): Unpacker | undefined {
  const found = theThread()
  const slot = found?.streams.indexOf(undefined) ?? -1
  return found && slot >= 0 ? new GunzipInThread(found, slot, deliver) : undefined
}

class GunzipInThread implements Unpacker {
  readonly #thread: Thread
  readonly #slot: number
  readonly #control: Int32Array
  readonly #memory: Buffer
  readonly #deliver: Deliver
  #given = 0
  #done = 0
  /** Bytes in the place that is being filled. */
  #filled = 0
  #failure: { reason: unknown } | undefined
  #isOver = false
  #wake: (() => void) | undefined

  constructor(thread: Thread, slot: number, deliver: Deliver) {
    const { memory, control } = thread.shared.slots[slot] as Slot
    this.#thread = thread
    this.#slot = slot
    this.#control = control
    this.#memory = Buffer.from(memory.buffer)
    this.#deliver = deliver
    thread.streams[slot] = this
    thread.worker.ref()
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    // Its slot may be another's by now.
    if (this.#failure) throw this.#failure.reason
    for (const piece of pieces)
      for (let at = 0; at < piece.length; ) {
        if (this.#filled === 0) await this.#until(this.#hasPlace)
        const place = LAYOUT.inAt[this.#given % PLACES] as number
        const copied = piece.copy(this.#memory, place + this.#filled, at, at + PLACE_BYTES - this.#filled)
        at += copied
        this.#filled += copied
        if (this.#filled === PLACE_BYTES) this.#give(this.#filled)
      }
  }

  async end(): Promise<void> {
    await this.#until(this.#hasPlace)
    this.#give(~this.#filled)
    await this.#until(() => this.#isOver)
  }

  readonly #hasPlace = () => this.#given - Atomics.load(this.#control, FIELDS.used) < PLACES

  #give(size: number): void {
    this.#control[FIELDS.sizes + (this.#given % PLACES)] = size
    this.#filled = 0
    this.#tell(FIELDS.given, ++this.#given)
  }

  #tell(field: number, value: number): void {
    const { bell } = this.#thread.shared
    Atomics.store(this.#control, field, value)
    Atomics.add(bell, 0, 1)
    Atomics.notify(bell, 0)
  }

  /** Of the thread: what it made, and how it ended. */
  look(): void {
    const state = Atomics.load(this.#control, FIELDS.state)
    const made = Atomics.load(this.#control, FIELDS.made)
    while (this.#done < made && !this.#failure) {
      const place = this.#done % PLACES
      const at = LAYOUT.outAt[place] as number
      const bytes = this.#control[FIELDS.sizes + PLACES + place] as number
      try {
        this.#deliver(this.#memory.subarray(at, at + bytes))
      } catch (reason) {
        this.destroy(reason)
        break
      }
      this.#tell(FIELDS.done, ++this.#done)
    }
    if (state === 0) {
      this.#wake?.()
      return
    }
    const end = ENDS[state - 1] as (typeof ENDS)[number]
    if (end !== 'whole') this.destroy(new LongshoreError('layer-invalid', `the gzip stream cannot be read: ${end}`))
    this.#leave()
    this.#thread.streams[this.#slot] = undefined
    this.#control.fill(0, FIELDS.given)
    Atomics.store(this.#control, FIELDS.state, 0)
    this.#wake?.()
  }

  /** The slot is free for another stream when the thread has seen it. */
  destroy(reason: unknown): void {
    if (this.#isOver) return
    this.#failure = { reason }
    this.#leave()
    this.#tell(FIELDS.unwanted, 1)
    this.#wake?.()
  }

  #leave(): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#thread.streams.every((stream) => !stream || stream.#isOver)) this.#thread.worker.unref()
  }

  #until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#wake = () => {
        if (this.#failure) reject(this.#failure.reason)
        else if (isSo()) resolve()
      }
      this.#wake()
    })
  }
}
