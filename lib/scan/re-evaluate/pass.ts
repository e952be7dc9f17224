/**
 * A pass: after the revision pointer has moved, every image that holds a package of which the two revisions do not say the
 * same is asked to be matched anew. One item tells for which revision that is done; it is written after the last message,
 * so that a crash in between sends them again, and whoever is current by then does nothing.
 */
import { readChangedKeys } from '../../advisories/changes.ts'
import { pointedRevision } from '../../advisories/open.ts'
import { LongshoreError } from '../../errors.ts'
import type { Environment } from '../../job/environment.ts'
import { imageItems } from '../../job/image-items.ts'
import { absent, eq } from '../../store/condition.ts'
import { ConditionFailed, type Key } from '../../store/port.ts'
import { openPackageIndex, type PackageIndex } from '../package-index/open.ts'
import { tenantsWithBase } from '../package-index/pointer.ts'
import { tenantsWithSegments } from '../package-index/segment.ts'

type Env = Pick<Environment, 'store' | 'blobs' | 'queue' | 'clock' | 'limits' | 'log'>

const STATE: Key = { pk: 'C#re-evaluation', sk: '#' }

/** Everyone whose images are in the index. */
export async function indexedTenants({ store, blobs }: Pick<Env, 'store' | 'blobs'>): Promise<string[]> {
  const [based, segmented] = await Promise.all([tenantsWithBase(store), tenantsWithSegments(blobs)])
  return [...new Set([...based, ...segmented])].sort()
}

/** How many images were asked to be matched anew; undefined when no revision is new. */
export async function pass(env: Env): Promise<number | undefined> {
  const { store, blobs, log } = env
  const seen = await store.get(STATE)
  const before = typeof seen?.revision === 'string' ? seen.revision : undefined
  const current = await pointedRevision(blobs)
  if (current === undefined || current === before) return undefined
  const affected = await affectedBy(before, current, env)
  let images = 0
  for (const tenant of await indexedTenants(env)) {
    const digests = affected(await openPackageIndex(tenant, env))
    await imageItems(env, tenant).matchAgain(digests)
    images += digests.length
  }
  try {
    await store.update(STATE, { set: { revision: current } }, before ? eq('revision', before) : absent('revision'))
  } catch (thrown) {
    // Another pass was faster: both have sent what they had to send.
    if (!(thrown instanceof ConditionFailed)) throw thrown
  }
  log.info('a revision is new', { before: before ?? 'none', revision: current, images })
  return images
}

/** Which images of an index a step from one revision to another concerns. */
async function affectedBy(
  before: string | undefined,
  current: string,
  { blobs, log }: Env,
): Promise<(index: PackageIndex) => string[]> {
  if (before === undefined) return (index) => index.images()
  try {
    const changed = await readChangedKeys(blobs, before, current)
    const keys = changed.map(({ ecosystem, name }) => `${ecosystem}\n${name}`)
    return (index) => index.imagesWith(keys)
  } catch (thrown) {
    if (!(thrown instanceof LongshoreError && thrown.code === 'advisories-missing')) throw thrown
    log.warn('the revision before is gone, so every image is matched anew', { before, revision: current })
    return (index) => index.images()
  }
}
