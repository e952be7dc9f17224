/**
 * Secrets at rest. Looked up by name at run time; jobs, policies and messages name hosts only.
 */
import { inspect } from 'node:util'

/** A string that does not print: every way to show it gives `***`. Call `reveal()` only where it goes on the wire. */
export class Secret {
  readonly #value: string
  constructor(value: string) {
    this.#value = value
  }
  reveal(): string {
    return this.#value
  }
  toString(): string {
    return '***'
  }
  toJSON(): string {
    return '***'
  }
  [inspect.custom](): string {
    return '***'
  }
}

/** Names are 1..256 characters of [A-Za-z0-9/_+=.@:-]; values at most 64 KiB (the limit of Secrets Manager). */
export interface SecretStore {
  get(name: string): Promise<Secret | undefined>
  put(name: string, value: Secret): Promise<void>
  delete(name: string): Promise<void>
}
