/** What registries answer to a chunk. */
import { LongshoreError } from '../errors.ts'
import { type Refusal, told } from './answers.ts'
import type { Connection } from './connection.ts'

/** An answer to a chunk that is not a yes. */
export class Refused extends LongshoreError {
  readonly status: number
  readonly refusal: Refusal
  constructor(connection: Connection, what: string, status: number, refusal: Refusal) {
    super('upload-rejected', `${connection.host} refused ${what} (${told(status, refusal)})`)
    this.status = status
    this.refusal = refusal
  }
}

export const ACCEPTED = [200, 201, 202, 204]
/** Statuses that say something about the session or the chunk. */
export const REFUSED = [400, 404, 405, 409, 410, 413, 416, 501]
/** `0-99` is 100 bytes. One byte and none look the same (`0-0`): then it is what we think. Undefined: not told. */
export function rangeOf(header: unknown, expected: number): number | undefined {
  const match = typeof header === 'string' ? /^(?:bytes=)?0-(\d+)$/.exec(header.trim()) : null
  if (!match) return undefined
  const end = Number(match[1])
  return end === 0 && expected <= 1 ? expected : end + 1
}

/** ECR: "First byte of the layer part is 0 instead of 5242880" (apple/containerization#790). */
export function insteadOf(message: string): number | undefined {
  const match = /instead of (\d{1,15})\b/.exec(message)
  return match ? Number(match[1]) : undefined
}
