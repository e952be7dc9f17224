/** Secrets Manager as the secret store of a function; a module of its own for the bundle's sake. */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { awsSecrets } from './aws.ts'
import type { SecretStore } from './port.ts'

export const openSecretsManager = (prefix: string): SecretStore => awsSecrets({ client: new SecretsManagerClient({}), prefix })
