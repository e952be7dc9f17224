/** A thread that runs histories: seeds in, one summary out. With a trace, it prints every call of a port. */
import { parentPort, workerData } from 'node:worker_threads'
import { history } from './history.ts'
import { scriptOf } from './shapes.ts'
import { useLightSignals } from './signals.ts'
import { addOutcome, emptySummary, type Share, type Summary } from './summary.ts'

/** How often a thread tells how far it is. */
const TELL_MS = 2_000

export async function runShare(share: Share, tell: (summary: Summary, last: boolean) => void): Promise<void> {
  const summary = emptySummary()
  let toldAt = performance.now()
  for (let seed = share.from; seed < share.to; seed += share.step) {
    addOutcome(summary, seed, await history(scriptOf(seed), share.trace ? (line) => console.log(line) : undefined))
    if (share.stopAtFirst && summary.violations.length > 0) break
    const now = performance.now()
    if (now - toldAt < TELL_MS) continue
    toldAt = now
    tell(summary, false)
  }
  tell(summary, true)
}

export { history }

const share = (workerData as { simulatorShare?: Share } | null)?.simulatorShare
if (parentPort && share) {
  const port = parentPort
  // Simulated errors are thrown by the hundred thousand; nobody reads their stacks.
  Error.stackTraceLimit = 0
  useLightSignals()
  await runShare(share, (summary, last) => port.postMessage({ ...summary, last }))
}
