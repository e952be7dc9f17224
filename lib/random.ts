import { randomBytes } from 'node:crypto'
import type { Random } from './clock.ts'

/** From the operating system's generator. */
export const systemRandom: Random = {
  next: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (count) => randomBytes(count),
}
