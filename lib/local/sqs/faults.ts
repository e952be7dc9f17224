/** What a standard queue may do to its users, made likely and repeatable: for tests that must survive it. */
export interface FaultOptions {
  /** Probability that a message is delivered a second time, as if another server had kept a copy. */
  duplicates?: number
  /** Messages come in another order than they were sent in. */
  reorder?: boolean
  /** Same seed, same faults for the same calls. */
  seed?: number
}

export interface Faults {
  duplicates: () => boolean
  disorder: (() => number) | undefined
}

/** How many places a message may fall back. */
const DISORDER_PLACES = 20

export function faultsOf(options: FaultOptions = {}): Faults {
  const random = seeded(options.seed ?? 1)
  const { duplicates = 0, reorder = false } = options
  return {
    duplicates: () => duplicates > 0 && random() < duplicates,
    disorder: reorder ? () => random() * DISORDER_PLACES : undefined,
  }
}

/** Numbers in [0, 1) from a seed: a 32-bit counter in Weyl steps, mixed by the finaliser of MurmurHash3. */
function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = state
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32
  }
}
