/** What is fuzzed: one reader of what others wrote, and what must hold whatever it is given. */
import { LongshoreError } from '../../lib/errors.ts'
import type { Chance } from '../simulation/chance.ts'
import type { Seeds } from './mutate.ts'

export interface Target {
  name: string
  seeds: Seeds
  /** How often it gets its turn, against 1 of the others: less for what takes long. */
  share?: number
  /** After the damage: puts checksums right, packs it, ... Without it most damage would never get past the door. */
  dress?(input: Buffer, chance: Chance): Buffer
  /** Throws when something does not hold; that the reader refuses the input is as good as that it reads it. */
  run(input: Buffer): void | Promise<void>
}

export function hold(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what)
}

/** Runs a reader that may refuse its input by one of our own errors, and by nothing else. */
export function refusing<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof LongshoreError && error.code !== 'internal') return undefined
    throw error
  }
}

export async function refusingLater<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof LongshoreError && error.code !== 'internal') return undefined
    throw error
  }
}
