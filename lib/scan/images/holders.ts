/** Which images hold a package, and which have a flaw: the package index names them, their newest reports say where. */
import { packageKey } from '../../advisories/ecosystem.ts'
import type { BlobStore } from '../../blobs/port.ts'
import type { Clock } from '../../clock.ts'
import type { Limits } from '../../config.ts'
import type { Report } from '../../report/model.ts'
import { readReport } from '../../report/stored.ts'
import type { Store } from '../../store/port.ts'
import type { FoundPackage } from '../model.ts'
import { keyOfFlaw, keyOfPackage } from '../package-index/entry.ts'
import { openPackageIndex } from '../package-index/open.ts'
import { getImages, type KnownImage } from './list.ts'

interface Ports {
  store: Store
  blobs: BlobStore
  clock: Pick<Clock, 'now'>
  limits: Limits
}

export interface Holder<Part> {
  image: KnownImage
  /** What of its newest report was asked for; never empty. */
  parts: Part[]
}

export interface Holders<Part> {
  holders: Holder<Part>[]
  /** Images in the index; some may have lost it since, and are not among the holders. */
  total: number
  /** Digest of the last image looked at, when more follow. */
  next?: string
}

const KINDS: readonly FoundPackage['kind'][] = [
  'dpkg',
  'apk',
  'rpm',
  'npm',
  'python',
  'gem',
  'composer',
  'nuget',
  'maven',
  'go',
  'cargo',
]

/** PyPI's rule, the loosest there is: the index has decided by the right one, this only finds the lines in a report. */
const loosely = (name: string): string => packageKey('PyPI', name).name

/** By the name of the package, or for OS packages by that of its source. `ecosystem` as advisories spell it. */
export function holdersOfPackage(
  tenant: string,
  { name, ecosystem }: { name: string; ecosystem?: string },
  page: { limit: number; after?: string | undefined },
  ports: Ports,
): Promise<Holders<Report['packages'][number]>> {
  const wanted = loosely(name)
  return holders(
    tenant,
    (ecosystems) =>
      ecosystem
        ? [keyOfPackage(ecosystem, name)]
        : [...ecosystems.map((one) => keyOfPackage(one, name)), ...KINDS.map((kind) => `${kind}\n${name}`)],
    ({ packages }) =>
      packages.filter((found) => loosely(found.name) === wanted || loosely(found.source?.name ?? '') === wanted),
    page,
    ports,
  )
}

/** By any id of the flaw. */
export function holdersOfFlaw(
  tenant: string,
  id: string,
  page: { limit: number; after?: string | undefined },
  ports: Ports,
): Promise<Holders<Report['findings'][number]>> {
  return holders(
    tenant,
    () => [keyOfFlaw(id)],
    ({ findings }) => findings.filter((found) => found.id === id || found.aliases.includes(id)),
    page,
    ports,
  )
}

/** Reports held in memory at once. */
const IN_PARALLEL = 5

async function holders<Part>(
  tenant: string,
  keysOf: (ecosystems: string[]) => string[],
  partsOf: (report: Report) => Part[],
  { limit, after }: { limit: number; after?: string | undefined },
  ports: Ports,
): Promise<Holders<Part>> {
  const index = await openPackageIndex(tenant, ports)
  const digests = index.imagesWith(keysOf(index.ecosystems()))
  const asked = digests.filter((digest) => after === undefined || digest > after).slice(0, limit + 1)
  const looked = asked.slice(0, limit)
  const images = await getImages(tenant, looked, ports)
  const found: Holder<Part>[] = []
  for (let from = 0; from < images.length; from += IN_PARALLEL) {
    const chunk = images.slice(from, from + IN_PARALLEL)
    const contents = await Promise.all(chunk.map(({ reportKey }) => ports.blobs.get(reportKey)))
    for (const [i, image] of chunk.entries()) {
      const content = contents[i]
      const parts = content ? partsOf(readReport(content)) : []
      if (parts.length > 0) found.push({ image, parts })
    }
  }
  const last = looked.at(-1)
  return { holders: found, total: digests.length, ...(asked.length > limit && last ? { next: last } : {}) }
}
