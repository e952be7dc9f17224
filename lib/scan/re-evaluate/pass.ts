/**
 * A pass: after the revision pointer has moved, every image that holds a package of which the revisions do not say the same
 * is asked to be matched anew. Where it goes is written before it looks at the index, that it is done after the last
 * message: a pass that died is made again by the next, from wherever it and those before it set out (lib/job/followed.ts).
 */
import { readChangedKeys } from '../../advisories/changes.ts'
import { pointedRevision } from '../../advisories/open.ts'
import { LongshoreError } from '../../errors.ts'
import type { Environment } from '../../job/environment.ts'
import { moveFollowed, readFollowed, readMarks, removeMark } from '../../job/followed.ts'
import { imageItems } from '../../job/image-items.ts'
import { openPackageIndex, type PackageIndex } from '../package-index/open.ts'
import { tenantsWithBase } from '../package-index/pointer.ts'
import { tenantsWithSegments } from '../package-index/segment.ts'

type Env = Pick<Environment, 'store' | 'blobs' | 'queue' | 'clock' | 'limits' | 'log'>

/** Everyone whose images are in the index. */
export async function indexedTenants({ store, blobs }: Pick<Env, 'store' | 'blobs'>): Promise<string[]> {
  const [based, segmented] = await Promise.all([tenantsWithBase(store), tenantsWithSegments(blobs)])
  return [...new Set([...based, ...segmented])].sort()
}

/** How many images were asked to be matched anew; undefined when no revision is new or another pass is faster. */
export async function pass(env: Env): Promise<number | undefined> {
  const { store, blobs, log } = env
  const seen = await readFollowed(store)
  const to = await pointedRevision(blobs)
  if (to === undefined || (to === seen.to && seen.froms.length === 0)) return undefined
  const froms = [...new Set([...seen.froms, seen.to ?? NOWHERE])].filter((from) => from !== to)
  if (!(await moveFollowed(store, { to, froms }, seen))) return undefined
  const affected = await affectedBy(froms, to, env)
  let images = 0
  for (const tenant of await indexedTenants(env)) {
    const digests = affected(await openPackageIndex(tenant, env))
    await imageItems(env, tenant).matchAgain(digests)
    images += digests.length
  }
  await moveFollowed(store, { to, froms: [] }, { to, froms, turn: seen.turn + 1 })
  log.info('a revision is new', { froms, revision: to, images })
  return images
}

/** Where the first pass sets out: every image is looked at. */
const NOWHERE = 'none'

/** Which images of an index the steps from these revisions concern. */
async function affectedBy(
  froms: readonly string[],
  to: string,
  { blobs, log }: Env,
): Promise<(index: PackageIndex) => string[]> {
  if (froms.includes(NOWHERE)) return (index) => index.images()
  const keys = new Set<string>()
  for (const from of froms)
    try {
      for (const { ecosystem, name } of await readChangedKeys(blobs, from, to)) keys.add(`${ecosystem}\n${name}`)
    } catch (thrown) {
      if (!(thrown instanceof LongshoreError && thrown.code === 'advisories-missing')) throw thrown
      log.warn('the revision before is gone, so every image is matched anew', { before: from, revision: to })
      return (index) => index.images()
    }
  return (index) => index.imagesWith(keys)
}

/** Asks for the images that were judged by a revision nobody had followed yet; returns how many. */
export async function followMarks(env: Env): Promise<number> {
  const { store } = env
  const marks = await readMarks(store)
  const byTenant = new Map<string, string[]>()
  for (const { tenant, digest } of marks) byTenant.set(tenant, [...(byTenant.get(tenant) ?? []), digest])
  for (const [tenant, digests] of byTenant) await imageItems(env, tenant).matchAgain(digests)
  for (const mark of marks) await removeMark(store, mark)
  return marks.length
}
