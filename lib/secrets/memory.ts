/** Secrets in memory, for tests. */
import { assertSecretName, assertSecretValue } from './check.ts'
import type { Secret, SecretStore } from './port.ts'

export function memorySecrets(): SecretStore {
  const secrets = new Map<string, Secret>()
  return {
    async get(name) {
      assertSecretName(name)
      return secrets.get(name)
    },
    async put(name, value) {
      assertSecretName(name)
      assertSecretValue(name, value)
      secrets.set(name, value)
    },
    async delete(name) {
      assertSecretName(name)
      secrets.delete(name)
    },
  }
}
