/** From path and method to a route, with the permission it needs. */
import type { IncomingMessage } from 'node:http'
import { type Answer, jsonAnswer, RegistryProblem } from './answer.ts'
import type { Auth, AuthRequest } from './auth.ts'
import { blobRoute } from './blobs.ts'
import type { Call } from './call.ts'
import type { Fault } from './faults.ts'
import { catalogRoute, tagsRoute } from './lists.ts'
import { manifestRoute, referrersRoute } from './manifests.ts'
import type { RegistryStore } from './store.ts'
import type { Uploads } from './uploads.ts'

interface World {
  store: RegistryStore
  uploads: Uploads
  auth: Auth
  referrers: boolean
}

/** Grammar of `<name>` in the distribution specification; its length limit is that of hosts and paths in practice. */
const NAME = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/
const NAME_CHARACTERS_MAX = 255

/** Most specific first: `a/blobs/uploads/x` is an upload, never a blob. */
const ROUTES = [
  { path: /^\/v2\/(.+)\/blobs\/uploads\/?$/, kind: 'start' },
  { path: /^\/v2\/(.+)\/blobs\/uploads\/([^/]+)$/, kind: 'upload' },
  { path: /^\/v2\/(.+)\/blobs\/([^/]+)$/, kind: 'blob' },
  { path: /^\/v2\/(.+)\/manifests\/([^/]+)$/, kind: 'manifest' },
  { path: /^\/v2\/(.+)\/tags\/list$/, kind: 'tags' },
  { path: /^\/v2\/(.+)\/referrers\/([^/]+)$/, kind: 'referrers' },
] as const

/** Serves one request. Throws RegistryProblem. */
export async function route(
  world: World,
  caller: AuthRequest,
  request: IncomingMessage,
  fault: Fault | undefined,
): Promise<Answer> {
  const { method, url } = caller
  const isRead = method === 'GET' || method === 'HEAD'
  const call: Call = {
    store: world.store,
    request,
    method,
    url,
    repository: '',
    fault,
    allows: (scope) => world.auth.allows(caller, scope),
  }
  if (url.pathname === '/v2/' || url.pathname === '/v2') {
    world.auth.check(caller, [])
    return jsonAnswer(200, {})
  }
  if (url.pathname === '/v2/_catalog') {
    world.auth.check(caller, ['registry:catalog:*'])
    if (!isRead) throw new RegistryProblem('UNSUPPORTED', 'the catalog can only be read')
    return catalogRoute(call)
  }
  for (const { path, kind } of ROUTES) {
    const match = path.exec(url.pathname)
    if (!match) continue
    const [, repository = '', reference = ''] = match
    if (!NAME.test(repository) || repository.length > NAME_CHARACTERS_MAX)
      throw new RegistryProblem('NAME_INVALID', `"${repository}" is not a repository name`)
    call.repository = repository
    world.auth.check(caller, scopesOf(kind, method, repository))
    return serve(world, call, kind, reference.replace(/%3a/gi, ':'))
  }
  throw new RegistryProblem('UNSUPPORTED', `there is no ${url.pathname} here`, { status: 404 })
}

type Kind = (typeof ROUTES)[number]['kind']

function scopesOf(kind: Kind, method: string, repository: string): string[] {
  const scope = (action: string) => `repository:${repository}:${action}`
  // Cancelling an upload takes back a push; only content needs the right to delete.
  if (kind === 'start' || kind === 'upload') return [scope('pull'), scope('push')]
  if (method === 'DELETE') return [scope('delete')]
  return method === 'GET' || method === 'HEAD' ? [scope('pull')] : [scope('pull'), scope('push')]
}

async function serve(world: World, call: Call, kind: Kind, reference: string): Promise<Answer> {
  switch (kind) {
    case 'start':
      return world.uploads.start(call)
    case 'upload':
      return world.uploads.session(call, reference)
    case 'blob':
      return blobRoute(call, reference)
    case 'manifest':
      return manifestRoute(call, reference, world.referrers)
  }
  if (call.method !== 'GET' && call.method !== 'HEAD')
    throw new RegistryProblem('UNSUPPORTED', `${call.method} is not possible here`)
  if (kind === 'tags') return tagsRoute(call)
  if (!world.referrers) throw new RegistryProblem('UNSUPPORTED', 'this registry has no referrers API', { status: 404 })
  return referrersRoute(call, reference)
}
