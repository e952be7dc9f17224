import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { bundleSimulator } from './bundle.ts'
import { runFleet } from './fleet.ts'
import { MUTANTS, type Mutant } from './mutants.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/** `MUTANTS=search`: all seeds from 1 on, to find new ones or to see how many it takes. */
const SEARCH = process.env.MUTANTS === 'search'
/** Histories until a flaw counts as not found. */
const SEARCH_MAX = 4_000

async function firstViolation(mutant: Mutant | undefined): Promise<{ seed: number; text: string } | undefined> {
  const bundle = await bundleSimulator(root, mutant)
  try {
    const known = mutant && mutant.seed > 0 && !SEARCH
    const { violations } = await runFleet({
      path: bundle.path,
      from: known ? mutant.seed : 1,
      seeds: known ? 1 : SEARCH_MAX,
      threads: known ? 1 : 2,
      stopAtFirst: true,
    })
    return violations[0]
  } finally {
    bundle.remove()
  }
}

describe('a flaw in the protocol', () => {
  it('is there at least thirty times, each once', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(30)
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
  })

  for (const mutant of MUTANTS)
    it(`is found: ${mutant.name}`, { timeout: 300_000 }, async () => {
      const found = await firstViolation(mutant)
      if (SEARCH) console.log(JSON.stringify([mutant.name, found?.seed, found?.text]))
      expect(found).toBeDefined()
    })
})
