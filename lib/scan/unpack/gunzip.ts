/**
 * Gzip by assembly/, in a thread beside the one that hashes and walks; why not node:zlib: docs/decisions/0011-gunzip.md.
 */
import { Worker } from 'node:worker_threads'
import { LongshoreError } from '../../errors.ts'
import { gunzipModule, layoutOf, memoryFor } from './gunzip-module.ts'
import { type FromThread, inflateStreams, type Shared } from './gunzip-thread.ts'
import type { Deliver, Unpacker } from './unpacker.ts'

/** Measured: with half of it messages cost more, with twice the pieces have left the caches before they are hashed. */
const PLACE_BYTES = 262_144
/** Room for one side to be ahead of the other. */
const PLACES = 4
const LAYOUT = layoutOf(PLACES, PLACE_BYTES, PLACE_BYTES)

interface Thread {
  worker: Worker
  shared: Shared
  /** Pieces of input and output of all its streams so far. */
  given: number
  handedOn: number
  /** What it is at work on. */
  stream: GunzipInThread | undefined
}

/** One for the whole process: two cores are what a worker has at most, and the other one walks. */
let thread: Thread | undefined
/** There is no WebAssembly here, or no thread to be had: node:zlib does it all. */
let isImpossible = false

function begin(): Thread {
  const shared: Shared = {
    module: gunzipModule(),
    memory: memoryFor(LAYOUT),
    layout: LAYOUT,
    control: new Int32Array(new SharedArrayBuffer(4 * (2 + PLACES))),
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
  const begun: Thread = { worker, shared, given: 0, handedOn: 0, stream: undefined }
  let hasSpoken = false
  const gone = (cause?: Error) => {
    if (thread === begun) {
      thread = undefined
      isImpossible = !hasSpoken
    }
    const why = cause ? `: ${cause.message}` : ''
    begun.stream?.destroy(new LongshoreError('internal', `the thread that inflates has ended${why}`, { cause }))
  }
  worker.on('message', (message: FromThread) => {
    hasSpoken = true
    begun.stream?.heard(message)
  })
  // Also while it has nothing to do: an error that nobody hears would end the process.
  worker.on('error', gone).on('exit', () => gone())
  return begun
}

/** Undefined while another layer is being unpacked, and where there can be no such thread. */
export function gunzip(deliver: Deliver): Unpacker | undefined {
  if (isImpossible || thread?.stream) return undefined
  try {
    thread ??= begin()
  } catch {
    isImpossible = true
    return undefined
  }
  return new GunzipInThread(thread, deliver)
}

class GunzipInThread implements Unpacker {
  readonly #thread: Thread
  readonly #deliver: Deliver
  readonly #memory: Buffer
  #used: number
  #filled = 0
  #failure: { reason: unknown } | undefined
  #isOver = false
  #wake: (() => void) | undefined

  constructor(thread: Thread, deliver: Deliver) {
    this.#thread = thread
    this.#deliver = deliver
    this.#memory = Buffer.from(thread.shared.memory.buffer)
    this.#used = thread.given
    thread.stream = this
    thread.worker.ref()
  }

  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const piece of pieces)
      for (let at = 0; at < piece.length; ) {
        if (this.#filled === 0) await this.#until(() => this.#thread.given - this.#used < PLACES)
        const copied = piece.copy(this.#memory, this.#place() + this.#filled, at, at + PLACE_BYTES - this.#filled)
        at += copied
        this.#filled += copied
        if (this.#filled === PLACE_BYTES) this.#give(this.#filled)
      }
  }

  async end(): Promise<void> {
    await this.#until(() => this.#thread.given - this.#used < PLACES)
    this.#give(~this.#filled)
    await this.#until(() => this.#isOver)
  }

  /** The thread goes with a stream that is not read to its end: nothing else stops it in the midst of one. */
  destroy(reason: unknown): void {
    if (this.#isOver) return
    this.#failure = { reason }
    if (thread === this.#thread) thread = undefined
    this.#leave()
    void this.#thread.worker.terminate()
    this.#wake?.()
  }

  #place(): number {
    return LAYOUT.inAt[this.#thread.given % PLACES] as number
  }

  #give(size: number): void {
    const { shared } = this.#thread
    Atomics.store(shared.control, 2 + (this.#thread.given % PLACES), size)
    this.#thread.given++
    this.#filled = 0
    Atomics.add(shared.control, 0, 1)
    Atomics.notify(shared.control, 0)
  }

  heard(message: FromThread): void {
    if ('bytes' in message) {
      const at = LAYOUT.outAt[this.#thread.handedOn++ % PLACES] as number
      try {
        this.#deliver(this.#memory.subarray(at, at + message.bytes))
      } catch (reason) {
        this.destroy(reason)
        return
      }
      Atomics.add(this.#thread.shared.control, 1, 1)
      Atomics.notify(this.#thread.shared.control, 1)
    } else if ('used' in message) {
      this.#used = message.used
      this.#wake?.()
    } else if ('ended' in message) {
      this.#leave()
      this.#wake?.()
    } else this.destroy(new LongshoreError('layer-invalid', `the gzip stream cannot be read: ${message.invalid}`))
  }

  #leave(): void {
    this.#isOver = true
    this.#thread.stream = undefined
    this.#thread.worker.unref()
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
