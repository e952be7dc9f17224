import { describe, expect, it } from 'vitest'
import { history } from './history.ts'

/** SEEDS=20000 npx vitest run test/simulation: more histories; FROM=77 SEEDS=1 replays one. */
const SEEDS = Number(process.env.SEEDS ?? 300)
const FROM = Number(process.env.FROM ?? 1)

describe('the protocol under faults', () => {
  it('loses, doubles, strands and misreports no job in any seeded history', async () => {
    const bad: string[] = []
    for (let seed = FROM; seed < FROM + SEEDS; seed++) {
      const { violations } = await history(seed)
      if (violations.length > 0) bad.push(`seed ${seed}: ${violations.join('; ')}`)
    }
    expect(bad).toEqual([])
  }, 3_600_000)
})
