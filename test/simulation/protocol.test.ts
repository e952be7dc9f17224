import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { bundleSimulator } from './bundle.ts'
import { FOUND } from './corpus.ts'
import { runFleet } from './fleet.ts'
import { history } from './history.ts'
import { scriptOf } from './shapes.ts'
import { replayLine, summaryLine } from './summary.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** `npm run simulate -- --seeds N` runs more. */
const SEEDS = Number(process.env.SEEDS ?? 20_000)
const FROM = Number(process.env.FROM ?? 1)

describe('the protocol under faults', () => {
  it('loses, doubles, strands and misreports no job in any seeded history (fault 45)', {
    timeout: 3_600_000,
  }, async () => {
    const bundle = await bundleSimulator(root)
    try {
      const threads = Math.min(4, availableParallelism())
      const summary = await runFleet({ path: bundle.path, from: FROM, seeds: SEEDS, threads })
      console.log(summaryLine(summary))
      expect(summary.violations.map(({ seed, text }) => `${replayLine(seed)}   # ${text}`)).toEqual([])
      expect(summary.seeds).toBe(SEEDS)
      // Histories in which nothing goes wrong would prove nothing.
      expect(summary.faults).toBeGreaterThan(SEEDS)
    } finally {
      bundle.remove()
    }
  })

  it.each(FOUND)('still holds where it once did not: $found', async ({ script }) => {
    expect((await history(script)).violations).toEqual([])
  })

  it('is the same history for the same seed, call by call', async () => {
    const told = async (): Promise<string[]> => {
      const lines: string[] = []
      await history(scriptOf(7), (line) => lines.push(line))
      return lines
    }
    const first = await told()
    expect(first.length).toBeGreaterThan(20)
    expect(await told()).toEqual(first)
  })
})
