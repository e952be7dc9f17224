/** The real login for Amazon ECR: the function's own role, no stored password. */
import { ECRClient, GetAuthorizationTokenCommand } from '@aws-sdk/client-ecr'
import { LongshoreError } from '../errors.ts'
import { Secret } from '../secrets/port.ts'
import { type BasicCredentials, ECR_HOST } from './auth.ts'

/**
 * A basic login for the ECR host, valid for 12 hours. Throws `registry-unauthorized` when the role may not.
 */
export async function ecrToken(host: string): Promise<BasicCredentials> {
  if (!ECR_HOST.test(host)) throw new LongshoreError('registry-unauthorized', `${host} is not an ECR host`)
  const region = /\.ecr(?:-fips)?\.([a-z0-9-]+)\.amazonaws/.exec(host)?.[1] ?? ''
  const client = new ECRClient({ region, useFipsEndpoint: host.includes('.ecr-fips.') })
  try {
    const answer = await client.send(new GetAuthorizationTokenCommand({}))
    const encoded = answer.authorizationData?.[0]?.authorizationToken ?? ''
    const [username, password] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
    if (!username || !password) throw new Error('ECR returned no authorization token')
    return { type: 'basic', username, password: new Secret(password) }
  } catch (cause) {
    throw new LongshoreError(
      'registry-unauthorized',
      `No login for ${host}: the function's role needs ecr:GetAuthorizationToken in ${region}`,
      { cause },
    )
  } finally {
    client.destroy()
  }
}
