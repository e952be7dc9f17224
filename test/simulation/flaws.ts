/** All flaws that are built in to see whether the simulator finds them; `npm run simulate -- --mutant N` names one by its place. */
import { MUTANTS, type Mutant } from './mutants.ts'
import { LATER_MUTANTS } from './mutants-later.ts'

export const FLAWS: readonly Mutant[] = [...MUTANTS, ...LATER_MUTANTS]
