/**
 * The whole path with canary secrets, on the real service: whatever it writes, sends, prints or answers is searched for them.
 * Table and queues are the embedded ones behind a listener, so that every item and message is seen as it goes by.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { push } from '../lib/local/demo/push.ts'
import { startDynamo } from '../lib/local/dynamo.ts'
import { startRegistry } from '../lib/local/registry/server.ts'
import { startSqs } from '../lib/local/sqs/server.ts'
import { CANARIES, canariesIn, canariesUnder, USER } from './canary.ts'
import { startService } from './fixtures/service.ts'
import { appImage } from './http/world.ts'

/** Listens, and tells the address. */
async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Hands every request on to another server and keeps what was said in both directions. */
async function overheard(endpoint: string, heard: string[]): Promise<string> {
  const { hostname, port } = new URL(endpoint)
  const server = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming
    const onward = request({ hostname, port, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.on('data', (chunk: Buffer) => heard.push(chunk.toString('latin1')))
      answer.pipe(outgoing)
    })
    onward.on('error', () => outgoing.destroy())
    incoming.on('data', (chunk: Buffer) => heard.push(chunk.toString('latin1')))
    incoming.pipe(onward)
  })
  return `http://${await listening(server)}`
}

const basic = (password: string) => `Basic ${Buffer.from(`${USER}:${password}`).toString('base64')}`

test('no secret is written, sent, printed or answered anywhere but to its own registry', {
  timeout: 60_000,
}, async () => {
  // Prepare: registries that are used, one that repeats in its errors what it was sent, one that asks to log in elsewhere.
  const source = await startRegistry({ credentials: { username: USER, password: CANARIES.api } })
  const target = await startRegistry({
    credentials: { username: USER, password: CANARIES.variable, scheme: 'bearer' },
  })
  onTestFinished(async () => void (await Promise.all([source.close(), target.close()])))
  await push(source.url, 'team/app', '1.0', appImage(), { authorization: basic(CANARIES.api) })
  let echoed = 0
  const echo = await listening(
    createServer(({ headers: { authorization } }, answer) => {
      if (!authorization) return answer.writeHead(401, { 'www-authenticate': 'Basic realm="echo"' }).end()
      echoed++
      const decoded = Buffer.from(authorization.split(' ')[1] ?? '', 'base64').toString()
      const message = `unknown user ${decoded} (${authorization}), see https://${decoded}@echo.example/?token=${decoded}`
      answer.writeHead(400, { 'content-type': 'application/json' })
      answer.end(JSON.stringify({ errors: [{ code: 'DENIED', message, detail: authorization }] }))
    }),
  )
  const stolen: string[] = []
  const thief = await listening(
    createServer((incoming, answer) => {
      stolen.push(`${incoming.url} ${incoming.rawHeaders.join(' ')}`)
      incoming.on('data', (chunk: Buffer) => stolen.push(chunk.toString('latin1')))
      incoming.on('end', () => answer.end('{"token":"x"}'))
    }),
  )
  // The same machine under another name: credentials are bound to names.
  const thiefPort = thief.split(':')[1]
  const elsewhere = await listening(
    createServer((_, answer) =>
      answer
        .writeHead(401, { 'www-authenticate': `Bearer realm="http://localhost:${thiefPort}/token",service="x"` })
        .end(),
    ),
  )
  const [dynamo, sqs] = [await startDynamo(), await startSqs()]
  onTestFinished(async () => void (await Promise.all([dynamo.close(), sqs.close()])))
  const heard: { [what: string]: string[] } = { table: [], queues: [] }
  const open = { insecure: true, allowPrivate: true }
  const dataDir = mkdtempSync(join(tmpdir(), 'longshore-secrets-'))
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const service = await startService({
    dataDir,
    env: {
      LONGSHORE_LOG_LEVEL: 'DEBUG',
      LONGSHORE_METRICS: 'longshore-canary',
      LONGSHORE_EVENT_SETTLE_SECONDS: '0',
      LONGSHORE_TICK_SECONDS: '1',
      AWS_ENDPOINT_URL_DYNAMODB: await overheard(dynamo.endpoint, heard.table!),
      AWS_ENDPOINT_URL_SQS: await overheard(sqs.endpoint, heard.queues!),
      LONGSHORE_REGISTRIES: JSON.stringify([
        { host: target.host, ...open, credentials: { username: USER, password: CANARIES.variable } },
      ]),
    },
  })
  onTestFinished(() => service.end())
  const answers: string[] = []
  const call = async (method: string, path: string, body?: object) => {
    const answer = await fetch(service.api + path, {
      method,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    })
    const text = await answer.text()
    answers.push(`${method} ${path} ${text} ${JSON.stringify([...answer.headers])}`)
    // biome-ignore lint/suspicious/noExplicitAny: answers of every shape; the expectations are their type check.
    return { status: answer.status, body: (text.startsWith('{') ? JSON.parse(text) : {}) as any }
  }
  const submit = (type: string, params: object) => call('POST', '/v1/jobs', { type, params })
  const end = async (id: string) => (await call('GET', `/v1/jobs/${id}?wait=20`)).body

  // Act: every use of a secret, and every error around it.
  for (const [host, password] of [
    [source.host, CANARIES.api],
    [echo, CANARIES.echoed],
    [elsewhere, CANARIES.realm],
  ] as const)
    await call('PUT', `/v1/registries/${host}`, { ...open, credentials: { username: USER, password } })
  const image = `${source.host}/team/app:1.0`
  const scan = await submit('scan', { image })
  const copy = await submit('replicate', { source: image, target: `${target.host}/team/app:1.0` })
  expect([scan.status, copy.status]).toEqual([202, 202])
  expect((await end(scan.body.id)).status).toBe('success')
  expect((await end(copy.body.id)).status).toBe('success')
  const failing = await submit('replicate', { source: image, target: `${echo}/team/app:1.0` })
  if (failing.status === 202) expect((await end(failing.body.id)).status).toBe('error')
  for (const host of [echo, elsewhere]) await submit('scan', { image: `${host}/team/app:1.0` })
  await submit('scan', { image: `https://${USER}:${CANARIES.userinfo}@${source.host}/team/app:1.0` })
  await submit('scan', { image: `${USER}:${CANARIES.userinfo}@${source.host}/team/app:1.0` })
  const policy = await call('POST', '/v1/policies', {
    name: 'canary',
    type: 'scan',
    images: [`${source.host}/**:*`, `${echo}/**:*`],
  })
  expect(policy.status).toBe(201)
  const run = await call('POST', `/v1/policies/${policy.body.id}/run`)
  await call('GET', `/v1/executions/${run.body.id}`)
  for (const host of [source.host, target.host, echo, elsewhere]) await call('POST', `/v1/registries/${host}/test`)
  const { body: listed } = await call('GET', '/v1/jobs?limit=50')
  for (const { id } of listed.jobs ?? listed.items ?? []) {
    await call('GET', `/v1/jobs/${id}`)
    await call('GET', `/v1/jobs/${id}/log`)
    await call('GET', `/v1/jobs/${id}/report`)
  }
  for (const path of [
    '/v1/registries',
    '/v1/policies',
    '/v1/executions',
    '/v1/queues',
    '/healthz?deep=1',
    '/openapi.json',
  ])
    await call('GET', path)
  await service.end()

  // Assess: the listeners heard something, and nothing holds a canary.
  expect(echoed).toBeGreaterThan(0)
  expect(heard.table!.join('')).toContain('J#main#')
  expect(heard.queues!.join('')).toContain(scan.body.id)
  expect(service.output()).toMatch(/"message":"a run starts".*"jobId"/)
  expect(service.output()).toContain('"Namespace":"longshore-canary"')
  expect([
    ...canariesIn('the output', service.output()),
    ...Object.entries(heard).flatMap(([what, parts]) => canariesIn(what, parts.join(''))),
    ...answers.flatMap((text) => canariesIn(text.slice(0, 300), text)),
    ...canariesIn('what another host was sent', stolen.join('\n')),
    ...canariesUnder(dataDir),
  ]).toEqual([])
})
