import { inspect } from 'node:util'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { expect, test } from 'vitest'
import { awsSecrets } from '../../lib/secrets/aws.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { AwsError, awsJsonDouble, doubleClient } from './aws-json-double.ts'
import { secretsConformance } from './conformance.ts'

type Answer = Parameters<typeof awsJsonDouble>[0]

async function open(answer: Answer) {
  const double = await awsJsonDouble(answer)
  const client = new SecretsManagerClient({ ...doubleClient(double.endpoint), maxAttempts: 1 })
  return { double, secrets: awsSecrets({ client, prefix: 'longshore/' }), close: double.close }
}

/** The documented rules of Secrets Manager that matter here. */
function secretsManager(): Answer {
  const values = new Map<string, string>()
  return (operation, input) => {
    const id = (input.SecretId ?? input.Name) as string
    if (!/^[A-Za-z0-9/_+=.@-]{1,512}$/.test(id)) throw new AwsError('ValidationException', 'Invalid name')
    if (!id.startsWith('longshore/')) throw new AwsError('AccessDeniedException')
    if (operation === 'CreateSecret') {
      if (values.has(id)) throw new AwsError('ResourceExistsException')
    } else if (!values.has(id)) throw new AwsError('ResourceNotFoundException')
    if (operation === 'DeleteSecret') values.delete(id)
    else if (operation !== 'GetSecretValue') values.set(id, input.SecretString as string)
    return { Name: id, ...(operation === 'GetSecretValue' && { SecretString: values.get(id) }) }
  }
}

secretsConformance('Secrets Manager, against a protocol double', () => open(secretsManager()))

test('a secret somebody else makes at the same moment is replaced (protocol double)', async () => {
  let created = false
  const { secrets, double, close } = await open((operation) => {
    if (operation === 'CreateSecret') {
      created = true
      throw new AwsError('ResourceExistsException')
    }
    if (!created) throw new AwsError('ResourceNotFoundException')
  })
  await secrets.put('a', new Secret('value'))
  expect(double.calls).toEqual(['PutSecretValue', 'CreateSecret', 'PutSecretValue'])
  await close()
})

test('a secret that waits for its deletion reads as absent (protocol double)', async () => {
  const { secrets, close } = await open(() => {
    throw new AwsError(
      'InvalidRequestException',
      "You can't perform this operation on the secret because it was deleted.",
    )
  })
  expect(await secrets.get('a')).toBeUndefined()
  await secrets.delete('a')
  await close()
})

test('an ARN is read as it is and never written (protocol double)', async () => {
  const arn = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:team/registry-AbCdEf'
  const { secrets, double, close } = await open((_, input) => ({ SecretString: input.SecretId }))
  expect((await secrets.get(arn))?.reveal()).toBe(arn)
  await expect(secrets.put(arn, new Secret('value'))).rejects.toMatchObject({ code: 'invalid-value' })
  await expect(secrets.delete(arn)).rejects.toMatchObject({ code: 'invalid-value' })
  expect(double.calls).toEqual(['GetSecretValue'])
  await close()
})

test.each([
  ['ThrottlingException', 'store-throttled'],
  ['InternalServiceError', 'store-unavailable'],
  ['AccessDeniedException', 'store-unavailable'],
  ['InvalidParameterException', 'store-unavailable'],
])('%s becomes %s, and no error shows the value the service quotes (protocol double)', async (name, code) => {
  const { secrets, close } = await open((_, input) => {
    throw new AwsError(name, `refused ${JSON.stringify(input)}`)
  })
  const error = await secrets.put('name', new Secret('canary')).catch((thrown: unknown) => thrown)
  expect(error).toMatchObject({ code, message: expect.stringContaining('the secret name') })
  expect(inspect(error, { depth: 9, showHidden: true })).not.toContain('canary')
  await expect(secrets.get('name')).rejects.toMatchObject({ code })
  await expect(secrets.delete('name')).rejects.toMatchObject({ code })
  await close()
})
