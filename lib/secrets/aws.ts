/**
 * Secrets in AWS Secrets Manager under a prefix of their own, which is all the function's role may write. A full ARN
 * names a secret that somebody else keeps: it can be read, never written.
 */
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { LongshoreError } from '../errors.ts'
import { assertSecretName, assertSecretValue } from './check.ts'
import { Secret, type SecretStore } from './port.ts'

/** `prefix` ends with a slash, e.g. `longshore/`. Throws `store-throttled` or `store-unavailable`; no error holds a value. */
export function awsSecrets({ client, prefix }: { client: SecretsManagerClient; prefix: string }): SecretStore {
  const ownId = (name: string): string => {
    assertSecretName(name)
    if (isArn(name))
      throw new LongshoreError(
        'invalid-value',
        `the secret ${name} is kept outside of Longshore; change it where it is kept`,
      )
    return prefix + encodeName(name)
  }

  return {
    async get(name) {
      assertSecretName(name)
      const SecretId = isArn(name) ? name : prefix + encodeName(name)
      try {
        const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }))
        return SecretString === undefined ? undefined : new Secret(SecretString)
      } catch (thrown) {
        if (isNamed(thrown, 'ResourceNotFoundException') || isDeleted(thrown)) return undefined
        throw secretsError('read', name, thrown)
      }
    },

    async put(name, value) {
      const id = ownId(name)
      assertSecretValue(name, value)
      const SecretString = value.reveal()
      const replace = () => client.send(new PutSecretValueCommand({ SecretId: id, SecretString }))
      const create = () => client.send(new CreateSecretCommand({ Name: id, SecretString }))
      try {
        await replace()
          .catch((thrown) => (isNamed(thrown, 'ResourceNotFoundException') ? create() : Promise.reject(thrown)))
          // Somebody else made it in between: then it can be replaced.
          .catch((thrown) => (isNamed(thrown, 'ResourceExistsException') ? replace() : Promise.reject(thrown)))
      } catch (thrown) {
        throw secretsError('write', name, thrown)
      }
    },

    async delete(name) {
      const SecretId = ownId(name)
      try {
        // Without a recovery window: a credential that was taken away must be gone, and its name free again.
        await client.send(new DeleteSecretCommand({ SecretId, ForceDeleteWithoutRecovery: true }))
      } catch (thrown) {
        if (!isNamed(thrown, 'ResourceNotFoundException') && !isDeleted(thrown))
          throw secretsError('delete', name, thrown)
      }
    },
  }
}

const isArn = (name: string): boolean => /^arn:[a-z-]+:secretsmanager:/.test(name)

/** Secrets Manager takes no colon, but hosts have ports: `:` is written `=3A`, and `=` itself `=3D`. */
const encodeName = (name: string): string => name.replaceAll('=', '=3D').replaceAll(':', '=3A')

const isNamed = (thrown: unknown, name: string): boolean => thrown instanceof Error && thrown.name === name

/** A secret that waits for its deletion answers InvalidRequestException, whose message alone tells it apart. */
const isDeleted = (thrown: unknown): boolean =>
  isNamed(thrown, 'InvalidRequestException') && /delet/i.test((thrown as Error).message)

function secretsError(operation: string, name: string, thrown: unknown): LongshoreError {
  const kind = thrown instanceof Error ? thrown.name : 'unknown error'
  const code =
    kind === 'ThrottlingException' || kind === 'LimitExceededException' ? 'store-throttled' : 'store-unavailable'
  // Neither the message nor the cause: a validation error of the service may quote the request, and with it the value.
  return new LongshoreError(
    code,
    `the ${operation} of the secret ${name} failed in Secrets Manager (${kind}); try again later`,
  )
}
