import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bundle, bundleSimulator } from './bundle.ts'
import { FLAWS as MUTANTS } from './flaws.ts'
import { runFleet, violationOf } from './fleet.ts'
import type { Mutant } from './mutants.ts'

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
/**
 * `MUTANTS=all`: every flaw, as CI does; `npm test` builds in every fourth and looks that the lines of all are there.
 * `MUTANTS=search`: all seeds from 1 on, to see how many histories each flaw takes.
 */
const SEARCH = process.env.MUTANTS === 'search'
const TRIED = process.env.MUTANTS ? MUTANTS : MUTANTS.filter((_, index) => index % 4 === 0)
/** Histories until a flaw counts as not found: those of `npm test`. */
const SEARCH_MAX = 20_000

/**
 * The first seed that finds it. The known one is tried first; when it has become another history, because the protocol or
 * the scripts have changed, the search goes on from the first.
 */
async function finder(mutant: Mutant): Promise<{ seed: number; text: string } | undefined> {
  const bundle = await bundleSimulator(root, mutant)
  try {
    const known = SEARCH ? undefined : await violationOf(bundle.path, mutant.seed)
    if (known) return known
    const all = { path: bundle.path, from: 1, seeds: SEARCH_MAX, threads: availableParallelism(), stopAtFirst: true }
    const found = (await runFleet(all)).violations[0]
    if (found) console.log(`${mutant.name}: seed ${found.seed} instead of ${mutant.seed} (${found.text})`)
    return found
  } finally {
    bundle.remove()
  }
}

describe('a flaw in the protocol', () => {
  let flawless: Bundle
  beforeAll(async () => {
    flawless = await bundleSimulator(root)
  })
  afterAll(() => flawless.remove())

  it('is there at least thirty times', () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(30)
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length)
  })

  it.each(MUTANTS)('has its line once: $name', ({ file, find }) => {
    expect(readFileSync(join(root, file), 'utf8').split(find)).toHaveLength(2)
  })

  it.each(TRIED)('is found: $name', { timeout: 120_000 }, async (mutant) => {
    const found = await finder(mutant)
    expect(found).toBeDefined()
    // The same history without the flaw holds: it is the flaw that was found.
    expect(await violationOf(flawless.path, found!.seed)).toBeUndefined()
  })

  it('can only be built in where its line stands once', async () => {
    const [first] = MUTANTS
    await expect(bundleSimulator(root, { ...first!, find: 'no such line' })).rejects.toThrow('occurs 0 times')
    await expect(bundleSimulator(root, { ...first!, find: 'running' })).rejects.toThrow(/occurs \d+ times/)
  })
})
