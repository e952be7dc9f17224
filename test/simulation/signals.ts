/**
 * Abort signals as the DOM standard has them, as far as the protocol uses them, without what makes Node's slow: no event
 * objects, no registry of finalizers. Node's own were a twelfth of a history. The corpus and fast-check's histories run
 * with Node's.
 */
type Listener = () => void

export class LightSignal {
  aborted = false
  reason: unknown = undefined
  /** Most signals have one listener, or none. */
  #listeners: Listener[] | undefined
  /** Signals of `any` that depend on this one. */
  #dependents: LightSignal[] | undefined
  #sources: LightSignal[] | undefined

  addEventListener(_type: 'abort', listener: Listener): void {
    if (this.#listeners?.includes(listener)) return
    if (this.#listeners) this.#listeners.push(listener)
    else this.#listeners = [listener]
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    const at = this.#listeners?.indexOf(listener) ?? -1
    if (at >= 0) this.#listeners!.splice(at, 1)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** Only its controller calls this. */
  abort(reason: unknown = new DOMException('This operation was aborted', 'AbortError')): void {
    if (this.aborted) return
    const all = [this, ...(this.#dependents?.filter(({ aborted }) => !aborted) ?? [])]
    for (const signal of all) {
      signal.aborted = true
      signal.reason = reason
    }
    for (const signal of all) {
      const listeners = signal.#listeners
      // One may take another away before it is its turn.
      if (listeners) for (const listener of [...listeners]) if (listeners.includes(listener)) listener()
      signal.#listeners = undefined
    }
  }

  static any(signals: readonly LightSignal[]): LightSignal {
    const one = new LightSignal()
    const first = signals.find(({ aborted }) => aborted)
    if (first) one.abort(first.reason)
    else {
      one.#sources = [...new Set(signals.flatMap((signal) => signal.#sources ?? [signal]))]
      for (const source of one.#sources) {
        source.#dependents ??= []
        source.#dependents.push(one)
      }
    }
    return one
  }
}

export class LightController {
  readonly signal = new LightSignal()
  abort(reason?: unknown): void {
    this.signal.abort(reason)
  }
}

/** From now on whatever this thread makes is light. */
export function useLightSignals(): void {
  Object.assign(globalThis, { AbortController: LightController, AbortSignal: LightSignal })
}
