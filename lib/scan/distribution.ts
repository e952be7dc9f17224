/** From the distribution an image names to the OSV ecosystem its packages are judged by. */

type Family = 'dpkg' | 'apk'

interface Rule {
  family: Family
  /** OSV's ecosystem for VERSION_ID, or undefined when the release is not named well enough. */
  ecosystem(version: string): string | undefined
}

const DISTRIBUTIONS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  [
    'debian',
    {
      family: 'dpkg',
      ecosystem: (version) => (/^\d+(\.|$)/.test(version) ? `Debian:${version.split('.')[0]}` : undefined),
    },
  ],
  [
    'ubuntu',
    { family: 'dpkg', ecosystem: (version) => (/^\d+\.\d+$/.test(version) ? `Ubuntu:${version}` : undefined) },
  ],
  [
    'alpine',
    {
      family: 'apk',
      ecosystem(version) {
        const release = /^(\d+\.\d+)(\.|_|$)/.exec(version)?.[1]
        return release && `Alpine:v${release}`
      },
    },
  ],
  // Rolling: one stream of packages, no releases.
  ['wolfi', { family: 'apk', ecosystem: () => 'Wolfi' }],
  ['chainguard', { family: 'apk', ecosystem: () => 'Chainguard' }],
  ['minimos', { family: 'apk', ecosystem: () => 'MinimOS' }],
])

export interface Distribution {
  family: Family
  ecosystem: string
}

/** The distribution's ecosystem, or the sentence that says why there is none. */
export function distributionOf(os: { id: string; version: string } | undefined): Distribution | { gap: string } {
  if (!os) return { gap: 'The image names no distribution (no os-release file), so its OS packages cannot be judged' }
  const rule = DISTRIBUTIONS.get(os.id)
  const name = `${os.id}${os.version ? ` ${os.version}` : ''}`
  if (!rule) return { gap: `The distribution ${name} is not known, so its OS packages cannot be judged` }
  const ecosystem = rule.ecosystem(os.version)
  if (!ecosystem) return { gap: `The release of ${name} is not known, so its OS packages cannot be judged` }
  return { family: rule.family, ecosystem }
}
