/** What a secret may be called and hold: the limits of Secrets Manager, checked by every twin. */
import { LongshoreError } from '../errors.ts'
import type { Secret } from './port.ts'

const NAME = /^[A-Za-z0-9/_+=.@:-]{1,256}$/
const VALUE_BYTES_MAX = 65_536

/** Throws `invalid-value` unless it is a name. */
export function assertSecretName(name: string): void {
  if (!NAME.test(name))
    throw new LongshoreError('invalid-value', 'the name of a secret has 1 to 256 characters of [A-Za-z0-9/_+=.@:-]')
}

/** Throws `invalid-value` for a value that is empty or too long; the message never holds it. */
export function assertSecretValue(name: string, value: Secret): void {
  const bytes = Buffer.byteLength(value.reveal())
  if (bytes === 0 || bytes > VALUE_BYTES_MAX)
    throw new LongshoreError('invalid-value', `the secret ${name} has ${bytes} bytes; it takes 1 to ${VALUE_BYTES_MAX}`)
}
