/** By which advisories each kind of package of an image is judged, and what those call it. */
import { type Distribution, distributionOf } from './distribution.ts'
import type { ImageInventory, ImagePackage } from './model.ts'

export interface Subject {
  name: string
  version: string
  /** Which records count: those that name source packages, those that name binary ones, or all of this name. */
  names?: 'source' | 'binary'
}

export interface Judge {
  ecosystems: readonly string[]
  /** What advisories call the package. */
  subjects(found: ImagePackage): Subject[]
}

const itself = ({ name, version }: ImagePackage): Subject[] => [{ name, version }]

/** Go's advisories leave the `v` of a module's version out. */
const goModule = ({ name, version }: ImagePackage): Subject[] => [{ name, version: version.replace(/^v(?=\d)/, '') }]

/** The ecosystem of each language; OS packages have that of their distribution. */
export const LANGUAGES: readonly [ImagePackage['kind'], string, Judge['subjects']][] = [
  ['npm', 'npm', itself],
  ['python', 'PyPI', itself],
  ['gem', 'RubyGems', itself],
  ['composer', 'Packagist', itself],
  ['nuget', 'NuGet', itself],
  ['maven', 'Maven', itself],
  ['go', 'Go', goModule],
  ['cargo', 'crates.io', itself],
]

/**
 * A distribution publishes by source package or by binary package; of one rpm distribution there may be records of both
 * kinds. A binary package is never judged by what is said of its source's other packages: their versions may differ.
 */
const osJudge = ({ family, ecosystems, subject }: Distribution): Judge => ({
  ecosystems,
  subjects(found) {
    if (subject === 'binary') return itself(found)
    const { name, version } = found.source ?? found
    if (family !== 'rpm') return [{ name, version }]
    return [
      { name, version, names: 'source' },
      { name: found.name, version: found.version, names: 'binary' },
    ]
  },
})

/** Whether or not a revision has advisories for them: what an image is judged by does not change with the data. */
export function judgesOf(os: ImageInventory['os']): ReadonlyMap<ImagePackage['kind'], Judge> {
  const judges = new Map<ImagePackage['kind'], Judge>()
  const distribution = distributionOf(os)
  if (!('gap' in distribution)) judges.set(distribution.family, osJudge(distribution))
  for (const [kind, ecosystem, subjects] of LANGUAGES) judges.set(kind, { ecosystems: [ecosystem], subjects })
  return judges
}
