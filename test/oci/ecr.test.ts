/** ECR's one call, against a server that checks the signature by the rules of AWS, written out anew here. */
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { defaultLimits } from '../../lib/config.ts'
import { ecrToken } from '../../lib/oci/ecr.ts'

const HOST = '123456789012.dkr.ecr.eu-west-1.amazonaws.com'
const KEYS = { AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE', AWS_SECRET_ACCESS_KEY: 'canary-ecr-key', AWS_SESSION_TOKEN: 'session' }

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest()

/** https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html */
function signatureOf(request: IncomingMessage, body: string): string {
  const signed = /SignedHeaders=([^,]+)/.exec(request.headers.authorization ?? '')?.[1] ?? ''
  const [, day = '', region = ''] =
    /Credential=[^/]+\/(\d+)\/([^/]+)\/ecr\//.exec(request.headers.authorization ?? '') ?? []
  const headers = signed.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`)
  const canonical = ['POST', request.url, '', headers.join(''), signed, sha256(body)].join('\n')
  const scope = `${day}/${region}/ecr/aws4_request`
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(canonical)].join('\n')
  const key = ['ecr', 'aws4_request'].reduce(
    (key, part) => hmac(key, part),
    hmac(hmac(`AWS4${KEYS.AWS_SECRET_ACCESS_KEY}`, day), region),
  )
  return createHmac('sha256', key).update(toSign).digest('hex')
}

let close = (): void => {}
afterEach(() => close())

async function service(answer: { status: number; body: string }) {
  const seen: { signed: boolean; target: unknown; session: unknown }[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const signature = /Signature=([0-9a-f]+)/.exec(request.headers.authorization ?? '')?.[1]
    seen.push({
      signed: signature === signatureOf(request, body),
      target: request.headers['x-amz-target'],
      session: request.headers['x-amz-security-token'],
    })
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.1' }).end(answer.body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  close = () => server.close()
  return { seen, AWS_ENDPOINT_URL_ECR: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

test('the login of ECR is one request signed with the role of the function', async () => {
  const token = Buffer.from('AWS:canary-ecr-token').toString('base64')
  const { seen, ...endpoint } = await service({
    status: 200,
    body: JSON.stringify({ authorizationData: [{ authorizationToken: token }] }),
  })
  const login = await ecrToken(HOST, { ...KEYS, ...endpoint }, defaultLimits)
  expect(login).toMatchObject({ type: 'basic', username: 'AWS' })
  expect(login.password.reveal()).toBe('canary-ecr-token')
  expect(seen).toEqual([
    { signed: true, target: 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken', session: 'session' },
  ])
})

test.each([
  [400, '{"__type":"AccessDeniedException"}'],
  [200, '{}'],
  [200, 'not json'],
])('an answer of %i %s is no login, and says which right is missing', async (status, body) => {
  const { seen: _, ...endpoint } = await service({ status, body })
  await expect(ecrToken(HOST, { ...KEYS, ...endpoint }, defaultLimits)).rejects.toMatchObject({
    code: 'registry-unauthorized',
    message: `No login for ${HOST}: the function's role needs ecr:GetAuthorizationToken in eu-west-1`,
  })
})

test.each([
  [500, '{"__type":"ServerException"}', 'registry-unavailable'],
  [503, 'down', 'registry-unavailable'],
  [400, '{"__type":"ThrottlingException","message":"Rate exceeded"}', 'registry-throttled'],
  [429, '', 'registry-throttled'],
])('an answer of %i %s says nothing about the role: %s, and it is asked again', async (status, body, code) => {
  const { seen: _, ...endpoint } = await service({ status, body })
  const login = ecrToken(HOST, { ...KEYS, ...endpoint }, defaultLimits)
  await expect(login).rejects.toMatchObject({ code })
})

test('a service that cannot be reached is not taken for a missing right', async () => {
  const { seen: _, ...endpoint } = await service({ status: 200, body: '{}' })
  close()
  const login = ecrToken(HOST, { ...KEYS, ...endpoint }, defaultLimits)
  await expect(login).rejects.toMatchObject({ kind: 'transient' })
})

test('without credentials in the environment, or for another host, nothing is sent', async () => {
  const { seen, ...endpoint } = await service({ status: 200, body: '{}' })
  await expect(ecrToken(HOST, endpoint, defaultLimits)).rejects.toMatchObject({ code: 'registry-unauthorized' })
  await expect(ecrToken(`${HOST}.evil.example`, { ...KEYS, ...endpoint }, defaultLimits)).rejects.toMatchObject({
    code: 'registry-unauthorized',
  })
  expect(seen).toEqual([])
})
