/** A thread that tries inputs. Where it is stands in shared memory: whoever started it sees when it does not come on. */
import { setImmediate } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import { flawOf, inputOf } from './inputs.ts'
import { TARGETS } from './targets.ts'

export interface Share {
  from: number
  /** Not included. */
  to: number
  /** Every how manyth seed: threads take turns. */
  step: number
  secondsMax: number
  only?: string
  /** The seed that is being tried. */
  place: Float64Array
}

export interface Found {
  seed: number
  target: string
  text: string
}

/** Tried so far, by target. */
export type Tried = { [target: string]: number }

export type Told = { tried: Tried; found: Found[]; last: boolean }

const TELL_MS = 1_000

async function run(share: Share, tell: (told: Told) => void): Promise<void> {
  const only = TARGETS.find(({ name }) => name === share.only)
  const tried: Tried = {}
  const found: Found[] = []
  const until = performance.now() + share.secondsMax * 1_000
  let toldAt = performance.now()
  for (let seed = share.from; seed < share.to && performance.now() < until; seed += share.step) {
    share.place[0] = seed
    const { target, input } = inputOf(seed, only)
    const text = await flawOf(target, input)
    tried[target.name] = (tried[target.name] ?? 0) + 1
    if (text !== undefined) found.push({ seed, target: target.name, text: text.slice(0, 500) })
    if (performance.now() - toldAt < TELL_MS) continue
    toldAt = performance.now()
    tell({ tried, found, last: false })
    // What node:zlib has opened is let go only when the loop turns: 10 KB an input, half a gigabyte after 500,000.
    await setImmediate()
  }
  tell({ tried, found, last: true })
}

const share = (workerData as { fuzzShare?: Share } | null)?.fuzzShare
if (parentPort && share) {
  const port = parentPort
  Error.stackTraceLimit = 4
  await run(share, (told) => port.postMessage(told))
}
