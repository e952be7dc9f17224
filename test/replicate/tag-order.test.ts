import { describe, expect, test } from 'vitest'
import { claimed, quietAt } from '../../lib/replicate/tag-order.ts'
import { type History, type Mutant, tagHistory } from './tag-world.ts'

/** What is wrong with how it ended; undefined: nothing. */
function wrong(history: History): string | undefined {
  const { wanted, ends, tag } = history
  const newest = wanted.length - 1
  if (ends[newest] !== 'success') return `the newest job ended as ${ends[newest]}`
  const failed = ends.find((end) => end !== 'success' && !end?.startsWith('canceled: superseded'))
  if (failed) return failed
  if (tag !== wanted[newest]) return `the tag is that of job ${wanted.indexOf(tag ?? '')}, not of ${newest}`
  return undefined
}

const worlds = (seed: number) => ({ jobs: 2 + (seed % 3), crashes: seed % 6 })

async function firstWrong(seeds: number, mutant?: Mutant): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    const found = wrong(await tagHistory(seed, { ...worlds(seed), ...(mutant ? { mutant } : {}) }))
    if (found) return `seed ${seed}: ${found}`
  }
  return undefined
}

describe('jobs that set one target tag (fault 29, I8)', () => {
  test('leave it at the newest accepted digest, whatever is killed and however late a request lands', async () => {
    expect(await firstWrong(2_000)).toBeUndefined()
  })

  test('never blame somebody outside for what two newer jobs did: one to another image, one back', async () => {
    for (const seed of [10_150, 12_223, 13_579, 15_290])
      expect(wrong(await tagHistory(seed, worlds(seed)))).toBeUndefined()
  })

  test.each<Mutant>(['no claim', 'no condition', 'no re-check', 'no verify', 'verify at once', 'silent repair'])(
    'do not without each part of the protocol: %s',
    async (mutant) => {
      expect(await firstWrong(20_000, mutant)).toBeDefined()
    },
  )
})

describe('a claim', () => {
  const mine = { sequence: '2#b', digest: 'sha256:2', until: 200 }
  test('keeps until when every replaced digest may still be set', () => {
    const first = { ...claimed(undefined, { sequence: '1#a', digest: 'sha256:1', until: 300 }), turn: 1 }
    expect(first.othersUntil).toBe(0)
    const second = { ...claimed(first, mine), turn: 2 }
    expect(second).toMatchObject({ ...mine, othersUntil: 300 })
    expect(claimed(second, { sequence: '3#c', digest: 'sha256:1', until: 250 })).toMatchObject({ othersUntil: 300 })
    expect(quietAt(second, { tagVerifyMarginSeconds: 60 })).toBe(60_300)
  })

  test('of an older job for the same digest leaves the newer one its place', () => {
    const newest = { ...claimed(undefined, { sequence: '3#c', digest: mine.digest, until: 100 }), turn: 1 }
    expect(claimed(newest, mine)).toMatchObject({ sequence: '3#c', until: 200, othersUntil: 0 })
  })
})
