import { expect, test } from 'vitest'
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

test('a registry that makes a repository when the right to push is asked for is asked for that first', async () => {
  const source = await registry()
  const target = await quay()
  const image = await pushImage(source.host, 'app', '1', ['layer'])
  const robot = { type: 'basic' as const, username: 'team+robot', password: new Secret('canary-first-push') }
  const open = createOpenRegistry({
    find: async (host) => ({
      host,
      insecure: true,
      allowPrivate: true,
      ...(host === target.host && { credentials: robot }),
    }),
    ecrToken: () => Promise.reject(new Error('none')),
    limits,
    clock: systemClock,
    random: fixedRandom,
  })
  const { context } = runOf(source.host, 'app', image.digest, { registry: open })
  const params = { source: `${source.host}/app:1`, target: `${target.host}/team/app:1` }
  const { result } = await runReplicate(params, context)
  expect(result).toMatchObject({ target: { digest: image.digest } })
  open.close()
})
