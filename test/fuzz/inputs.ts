/** A seed is an input: whose, and which. The same seed, the same bytes. */
import { Chance } from '../simulation/chance.ts'
import { mutate } from './mutate.ts'
import type { Target } from './target.ts'
import { TARGETS } from './targets.ts'

const total = TARGETS.reduce((sum, { share = 1 }) => sum + share, 0)

function targetOf(chance: Chance): Target {
  let place = chance.next() * total
  for (const target of TARGETS) {
    place -= target.share ?? 1
    if (place < 0) return target
  }
  return TARGETS.at(-1)!
}

/** `only`: the target that gets the seed, whatever its turn. */
export function inputOf(seed: number, only?: Target): { target: Target; input: Buffer } {
  const chance = new Chance(seed)
  const turn = targetOf(chance)
  const target = only ?? turn
  const damaged = mutate(target.seeds, chance)
  return { target, input: target.dress?.(damaged, chance) ?? damaged }
}

/** What is wrong with how the target takes this input; undefined when nothing is. */
export async function flawOf(target: Target, input: Buffer): Promise<string | undefined> {
  try {
    await target.run(input)
    return undefined
  } catch (error) {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  }
}
