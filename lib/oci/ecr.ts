/**
 * The real login for Amazon ECR: the function's own role, no stored password. It is one signed request, sent by our own
 * connection: the SDK's client for it is 25 KB of every bundle that talks to a registry.
 *
 * https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_GetAuthorizationToken.html
 */
import { createHash, createHmac } from 'node:crypto'
import { SignatureV4 } from '@smithy/signature-v4'
import type { Limits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { readBody } from '../net/body.ts'
import { Http } from '../net/http.ts'
import { Secret } from '../secrets/port.ts'
import type { Variables } from '../variables.ts'
import { type BasicCredentials, ECR_HOST } from './auth.ts'

/** An answer holds one token of about 2 KB. */
const ANSWER_BYTES_MAX = 65_536

/** The hash that the signer asks for, keyed when it is given a key. */
class Sha256 {
  readonly #hash
  constructor(key?: string | ArrayBuffer | ArrayBufferView) {
    this.#hash = key === undefined ? createHash('sha256') : createHmac('sha256', bytesOf(key))
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.#hash.update(bytesOf(data))
  }
  digest(): Promise<Uint8Array> {
    return Promise.resolve(this.#hash.digest())
  }
}

const bytesOf = (data: string | ArrayBuffer | ArrayBufferView): Uint8Array =>
  typeof data === 'string'
    ? Buffer.from(data)
    : ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data)

/**
 * A basic login for the ECR host, valid for 12 hours. AWS_ENDPOINT_URL_ECR replaces the service's address, as it does for
 * the SDK. Throws `registry-unauthorized` when the role may not, `registry-throttled`, or what is worth another
 * try (`registry-unavailable`, `registry-timeout`, ...).
 */
export async function ecrToken(host: string, variables: Variables, limits: Limits): Promise<BasicCredentials> {
  if (!ECR_HOST.test(host)) throw new LongshoreError('registry-unauthorized', `${host} is not an ECR host`)
  const [, fips = '', region = '', suffix = ''] =
    /\.ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(?:\.cn)?)$/.exec(host) ?? []
  const own = variables.AWS_ENDPOINT_URL_ECR
  const url = new URL(own || `https://${fips ? 'ecr-fips' : 'api.ecr'}.${region}.${suffix}/`)
  // Inside a VPC the service may have a private address; the name is ours, not a user's.
  const http = new Http({ limits, allowPrivate: true, insecure: url.protocol === 'http:' })
  try {
    const body = '{}'
    const { headers } = await signer(region, variables).sign({
      method: 'POST',
      protocol: url.protocol,
      hostname: url.hostname,
      path: '/',
      headers: {
        host: url.host,
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
      },
      body,
    })
    const answer = await http.send({ method: 'POST', url, headers, body: Buffer.from(body) })
    const text = (await readBody(answer.body, ANSWER_BYTES_MAX, 'the answer of ECR')).toString('utf8')
    if (answer.status !== 200) throw refused(host, answer.status, text)
    const [username, password] = tokenOf(text)
    return { type: 'basic', username, password: new Secret(password) }
  } catch (cause) {
    // No answer, or not now: it says nothing about the role.
    if (cause instanceof LongshoreError && cause.kind !== 'permanent') throw cause
    throw new LongshoreError(
      'registry-unauthorized',
      `No login for ${host}: the function's role needs ecr:GetAuthorizationToken in ${region}`,
      { cause },
    )
  } finally {
    http.close()
  }
}

/** Errors that the service asks to repeat (docs.aws.amazon.com, "Common errors" and "Throttling" of Amazon ECR). */
function refused(host: string, status: number, text: string): Error {
  if (status === 429 || /Throttling|TooManyRequests|RequestLimitExceeded/.test(text))
    return new LongshoreError('registry-throttled', `ECR limits logins (${status}) and gave none for ${host}`)
  if (status >= 500)
    return new LongshoreError('registry-unavailable', `ECR answered ${status} when asked for a login for ${host}`)
  return new Error(`ECR answered ${status}`)
}

function signer(region: string, variables: Variables): SignatureV4 {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = variables
  if (!accessKeyId || !secretAccessKey) throw new Error('the environment holds no AWS credentials')
  const credentials = {
    accessKeyId,
    secretAccessKey,
    ...(AWS_SESSION_TOKEN ? { sessionToken: AWS_SESSION_TOKEN } : {}),
  }
  return new SignatureV4({ service: 'ecr', region, credentials, sha256: Sha256 })
}

/** base64 of `AWS:<password>`. */
function tokenOf(text: string): [string, string] {
  const answer = JSON.parse(text) as { authorizationData?: { authorizationToken?: unknown }[] }
  const encoded = answer.authorizationData?.[0]?.authorizationToken
  const [username, password] = Buffer.from(String(encoded ?? ''), 'base64')
    .toString('utf8')
    .split(':')
  if (!username || !password) throw new Error('ECR returned no authorization token')
  return [username, password]
}
