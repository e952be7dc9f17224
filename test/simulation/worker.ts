/** A thread that runs histories: seeds in, one summary out. */
import { parentPort, workerData } from 'node:worker_threads'
import { historyOf } from './history.ts'
import { addOutcome, emptySummary, type Share, type Summary } from './summary.ts'

// Simulated errors are thrown by the hundred thousand; nobody reads their stacks.
Error.stackTraceLimit = 0

export async function runShare(share: Share, tell: (summary: Summary) => void = () => {}): Promise<Summary> {
  const summary = emptySummary()
  const began = process.cpuUsage()
  let toldAt = Date.now()
  for (let seed = share.from; seed < share.from + share.seeds; seed += share.step) {
    addOutcome(summary, seed, await historyOf(seed))
    if (share.stopAtFirst && summary.violations.length > 0) break
    if (summary.seeds % 256 === 0 && Date.now() - toldAt > 2_000) {
      toldAt = Date.now()
      tell(summary)
    }
  }
  const { user, system } = process.cpuUsage(began)
  summary.cpuMs = (user + system) / 1000
  return summary
}

if (parentPort) {
  const port = parentPort
  const share = workerData as Share
  runShare(share, (summary) => port.postMessage({ ...summary, last: false })).then((summary) =>
    port.postMessage({ ...summary, last: true }),
  )
}
