/** The simulator's light signals answer as Node's do, whatever is done to them. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { LightController, LightSignal } from './signals.ts'

type Step =
  | { do: 'listen'; signal: number; listener: number }
  | { do: 'unlisten'; signal: number; listener: number }
  | { do: 'abort'; signal: number; reason: string | undefined }
  | { do: 'any'; of: number[] }

/** What was heard, and what each signal says in the end. */
function told(steps: readonly Step[], Controller: typeof AbortController, any: typeof AbortSignal.any): unknown[] {
  const controllers = [0, 1, 2].map(() => new Controller())
  const signals = controllers.map(({ signal }) => signal)
  const heard: unknown[] = []
  const listeners = [0, 1].map((name) => () => heard.push(name))
  for (const step of steps) {
    if (step.do === 'any') {
      const signal = any(step.of.map((at) => signals[at % signals.length]!))
      // Node 24 asks for the reason only when somebody looks, and then tells that of the last abort instead of the first.
      signal.addEventListener('abort', () => {})
      signals.push(signal)
    } else if (step.do === 'abort') controllers[step.signal]!.abort(step.reason)
    else {
      const signal = signals[step.signal % signals.length]!
      const listener = listeners[step.listener]!
      if (step.do === 'listen') signal.addEventListener('abort', listener, { once: true })
      else signal.removeEventListener('abort', listener)
    }
  }
  for (const signal of signals) {
    const { aborted, reason } = signal
    heard.push([aborted, reason instanceof Error ? reason.name : reason, thrown(() => signal.throwIfAborted())])
  }
  return heard
}

function thrown(call: () => void): unknown {
  try {
    return call()
  } catch (error) {
    return error instanceof Error ? error.name : error
  }
}

describe('light signals', () => {
  test('tell the same to the same listeners as those of the platform', () => {
    const one = fc.nat(2)
    const step = fc.oneof(
      fc.record({ do: fc.constant('listen' as const), signal: fc.nat(5), listener: fc.nat(1) }),
      fc.record({ do: fc.constant('unlisten' as const), signal: fc.nat(5), listener: fc.nat(1) }),
      fc.record({ do: fc.constant('abort' as const), signal: one, reason: fc.option(fc.string(), { nil: undefined }) }),
      fc.record({ do: fc.constant('any' as const), of: fc.array(fc.nat(5), { maxLength: 3 }) }),
    )
    const light = LightController as unknown as typeof AbortController
    const anyLight = LightSignal.any as unknown as typeof AbortSignal.any
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const node = told(steps, AbortController, (signals) => AbortSignal.any(signals))
        expect(told(steps, light, (signals) => anyLight(signals))).toEqual(node)
      }),
    )
  })
})
