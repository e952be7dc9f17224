/** The secret store that `LONGSHORE_SECRETS` names: `aws:prefix` or `file:/folder`. */
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { awsCalls } from '../limits/aws-calls.ts'
import { folderOf, requiredVariable, unknownForm, type Variables } from '../variables.ts'
import { awsSecrets } from './aws.ts'
import { fileSecrets } from './file.ts'
import type { SecretStore } from './port.ts'

/** Throws `config-invalid`. */
export function openSecrets(variables: Variables): SecretStore {
  const url = requiredVariable(variables, 'LONGSHORE_SECRETS')
  if (url.startsWith('file:')) return fileSecrets(folderOf(url))
  if (!url.startsWith('aws:')) throw unknownForm('LONGSHORE_SECRETS', url, 'aws:prefix or file:/folder')
  return awsSecrets({ client: new SecretsManagerClient(awsCalls), prefix: url.slice('aws:'.length) })
}
