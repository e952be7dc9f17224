import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import type { Fault } from '../../lib/local/registry/faults.ts'
import { createOpenRegistry } from '../../lib/oci/open.ts'
import { runReplicate } from '../../lib/replicate/job.ts'
import { Secret } from '../../lib/secrets/port.ts'
import { fixedRandom } from '../oci/server.ts'
import { limits, pushImage, registry, runOf } from './run.ts'

/**
 * A registry like Quay (its endpoints/v2/v2auth.py): a repository is made when somebody who may asks for a token to push;
 * of one that does not exist nobody may read.
 */
async function quay() {
  const repositories = new Set<string>()
  const granted = new Map<string, string[]>()
  const running = await registry(({ method, path, headers }): Fault | undefined => {
    const url = new URL(path, 'http://quay')
    if (url.pathname === '/token') {
      const [, name = '', actions = ''] = url.searchParams.get('scope')?.split(':') ?? []
      if (actions.includes('push')) repositories.add(name)
      const token = `token-${granted.size}`
      granted.set(
        token,
        actions.split(',').filter((action) => action === 'push' || repositories.has(name)),
      )
      return { status: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify({ token }) }
    }
    const rights = granted.get(String(headers.authorization).replace('Bearer ', '')) ?? []
    if (rights.includes(method === 'GET' || method === 'HEAD' ? 'pull' : 'push')) return undefined
    return { status: 401, headers: { 'www-authenticate': `Bearer realm="${running.url}/token",service="quay"` } }
  })
  return running
}

const robot = { type: 'basic' as const, username: 'team+robot', password: new Secret('canary-first-push') }
const openWith = (target: string) => {
  const open = createOpenRegistry({
    find: async (host) => ({
      host,
      insecure: true,
      allowPrivate: true,
      ...(host === target && { credentials: robot }),
    }),
    ecrToken: () => Promise.reject(new Error('none')),
    limits,
    clock: systemClock,
    random: fixedRandom,
  })
  onTestFinished(open.close)
  return open
}

test('a registry that makes a repository when the right to push is asked for is asked for that first', async () => {
  const source = await registry()
  const target = await quay()
  const image = await pushImage(source.host, 'app', '1', ['layer'])
  const { context } = runOf(source.host, 'app', image.digest, { registry: openWith(target.host) })
  const params = { source: `${source.host}/app:1`, target: `${target.host}/team/app:1` }
  const { result } = await runReplicate(params, context)
  expect(result).toMatchObject({ target: { digest: image.digest } })
})

test('where whoever only reads gets nothing when asking for more, a target that is right already is seen to be', async () => {
  const source = await registry()
  let isStrict = false
  const asked: string[] = []
  const target = await registry(({ path, headers }): Fault | undefined => {
    if (!isStrict) return undefined
    const url = new URL(path, 'http://hub')
    if (url.pathname === '/token') {
      const scope = url.searchParams.get('scope') ?? ''
      asked.push(scope)
      if (scope.includes('push')) return { status: 401, body: '{"details":"access token has insufficient scopes"}' }
      return { status: 200, headers: { 'content-type': 'application/json' }, body: '{"token":"read"}' }
    }
    if (headers.authorization === 'Bearer read') return undefined
    return { status: 401, headers: { 'www-authenticate': `Bearer realm="${target.url}/token",service="hub"` } }
  })
  const image = await pushImage(source.host, 'app', '1', ['layer'])
  await pushImage(target.host, 'team/app', '1', ['layer'])
  isStrict = true
  const { context, log } = runOf(source.host, 'app', image.digest, { registry: openWith(target.host) })
  await runReplicate({ source: `${source.host}/app:1`, target: `${target.host}/team/app:1` }, context)
  expect(log.at(-1)).toContain('nothing to do')
  expect(asked).toEqual(['repository:team/app:pull,push', 'repository:team/app:pull'])
})
