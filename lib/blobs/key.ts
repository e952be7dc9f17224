/** What a blob may be called; every twin checks the same, so that no key means something else on another one. */
import { LongshoreError } from '../errors.ts'

const KEY_CHARACTERS_MAX = 512
const KEY = /^[A-Za-z0-9._=/-]+$/

/** Throws `internal` unless the key is one: characters of the port, no empty segment, none that is `.` or `..`. */
export function assertBlobKey(key: string): void {
  if (key.length > KEY_CHARACTERS_MAX || !KEY.test(key) || key.split('/').some(isNoName)) throw badKey(key)
}

/** A prefix is the beginning of a key: it may be empty and may end anywhere, also behind a slash. */
export function assertBlobPrefix(prefix: string): void {
  if (prefix === '') return
  const whole = prefix.split('/').slice(0, -1)
  if (prefix.length > KEY_CHARACTERS_MAX || !KEY.test(prefix) || whole.some(isNoName)) throw badKey(prefix)
}

/** Throws `internal` unless the range is one that S3 can be asked for. */
export function assertRange(key: string, offset: number, length: number): void {
  if (!Number.isSafeInteger(offset) || offset < 0 || !Number.isSafeInteger(length) || length < 1)
    throw new LongshoreError('internal', `a read of ${length} bytes at ${offset} of the blob ${key} is no range`)
}

const isNoName = (segment: string): boolean => segment === '' || segment === '.' || segment === '..'

const badKey = (key: string) =>
  new LongshoreError(
    'internal',
    `"${key.slice(0, 80)}" is not a blob key: 1 to ${KEY_CHARACTERS_MAX} characters of [A-Za-z0-9._=/-] without empty, "." or ".." segments`,
  )
