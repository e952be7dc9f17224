/** By which advisories each kind of package of an image is judged, and what those call it. */
import { type Distribution, distributionOf } from './distribution.ts'
import type { ImageInventory, ImagePackage } from './model.ts'

export interface Judge {
  ecosystems: readonly string[]
  /** What advisories call the package. */
  subject(found: ImagePackage): { name: string; version: string }
}

const itself = ({ name, version }: ImagePackage) => ({ name, version })

/** Go's advisories leave the `v` of a module's version out. */
const goModule = ({ name, version }: ImagePackage) => ({ name, version: version.replace(/^v(?=\d)/, '') })

/** The ecosystem of each language; OS packages have that of their distribution. */
export const LANGUAGES: readonly [ImagePackage['kind'], string, Judge['subject']][] = [
  ['npm', 'npm', itself],
  ['python', 'PyPI', itself],
  ['gem', 'RubyGems', itself],
  ['composer', 'Packagist', itself],
  ['nuget', 'NuGet', itself],
  ['maven', 'Maven', itself],
  ['go', 'Go', goModule],
  ['cargo', 'crates.io', itself],
]

/** A distribution publishes by source package or by binary package. */
const osJudge = ({ ecosystems, subject }: Distribution): Judge => ({
  ecosystems,
  subject: (found) => (subject === 'binary' ? found : (found.source ?? found)),
})

/** Whether or not a revision has advisories for them: what an image is judged by does not change with the data. */
export function judgesOf(os: ImageInventory['os']): ReadonlyMap<ImagePackage['kind'], Judge> {
  const judges = new Map<ImagePackage['kind'], Judge>()
  const distribution = distributionOf(os)
  if (!('gap' in distribution)) judges.set(distribution.family, osJudge(distribution))
  for (const [kind, ecosystem, subject] of LANGUAGES) judges.set(kind, { ecosystems: [ecosystem], subject })
  return judges
}
