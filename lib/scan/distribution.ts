/** From the distribution an image names to the OSV ecosystems its packages are judged by. */

export type Family = 'dpkg' | 'apk' | 'rpm'

/**
 * What OSV's advisories name: almost all the source package; Red Hat's and AlmaLinux's the binary packages. A record that
 * names binary packages in another rpm distribution, as those of a trivy.db do, says so itself.
 */
type Subject = 'source' | 'binary'

export interface Distribution {
  family: Family
  /** More than one when the distribution publishes by repository; the first names it in sentences. */
  ecosystems: string[]
  subject: Subject
}

interface Rule {
  family: Family
  /** OSV's ecosystems for VERSION_ID, or none when the release is not named well enough. */
  ecosystems(version: string): string[]
  subject?: Subject
}

const major = (version: string) => /^(\d+)(?:\.|$)/.exec(version)?.[1]

/** The release is the part of the version that the pattern's first group takes. */
const released = (family: Family, name: string, pattern: RegExp, subject: Subject = 'source'): Rule => ({
  family,
  subject,
  ecosystems(version) {
    const release = pattern.exec(version)?.[1]
    return release ? [`${name}${release}`] : []
  },
})

const MAJOR = /^(\d+)(?:\.|$)/
const WHOLE = /^(\d+(?:\.\d+)*)$/

/** SLE publishes by product and module; those whose packages containers hold. */
const SUSE_PRODUCTS = [
  'Server',
  'Module for Basesystem',
  'Module for Server Applications',
  'Module for Development Tools',
  'Module for Web and Scripting',
  'Module for Python 3',
  'Module for Containers',
  'Module for Legacy',
]

/** Red Hat's repositories of a release, as its CPEs have them; those that UBI images are made of. */
const RED_HAT_REPOSITORIES = ['baseos', 'appstream', 'crb', 'supplementary', 'highavailability', 'nfv', 'realtime']

const suse: Rule = {
  family: 'rpm',
  ecosystems(version) {
    const [, release, pack] = /^(\d+)(?:\.(\d+))?$/.exec(version) ?? []
    if (!release) return []
    // Since SLE 16 the minor number is the release's own.
    const name = Number(release) >= 16 ? version : `${release}${pack && pack !== '0' ? ` SP${pack}` : ''}`
    return SUSE_PRODUCTS.map((product) => `SUSE:Linux Enterprise ${product} ${name}`)
  },
}

const redHat: Rule = {
  family: 'rpm',
  subject: 'binary',
  ecosystems(version) {
    const release = major(version)
    return release ? RED_HAT_REPOSITORIES.map((name) => `Red Hat:enterprise_linux:${release}::${name}`) : []
  },
}

const rolling = (family: Family, ecosystem: string): Rule => ({ family, ecosystems: () => [ecosystem] })

const amazon: Rule = {
  family: 'rpm',
  // The first Amazon Linux named its releases by their month; its advisories call all of them 1.
  ecosystems(version) {
    const release = /^201\d\.\d\d$/.test(version) ? '1' : major(version)
    return release ? [`Amazon Linux:${release}`] : []
  },
}

const azure: Rule = released('rpm', 'Azure Linux:', MAJOR)

const DISTRIBUTIONS: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['debian', released('dpkg', 'Debian:', MAJOR)],
  ['ubuntu', released('dpkg', 'Ubuntu:', /^(\d+\.\d+)$/)],
  ['alpine', released('apk', 'Alpine:v', /^(\d+\.\d+)(?:\.|_|$)/)],
  // Rolling: one stream of packages, no releases.
  ['wolfi', rolling('apk', 'Wolfi')],
  ['chainguard', rolling('apk', 'Chainguard')],
  ['minimos', rolling('apk', 'MinimOS')],
  ['rhel', redHat],
  ['almalinux', released('rpm', 'AlmaLinux:', MAJOR, 'binary')],
  ['rocky', released('rpm', 'Rocky Linux:', MAJOR)],
  ['sles', suse],
  ['sled', suse],
  ['sle_hpc', suse],
  ['opensuse-leap', released('rpm', 'openSUSE:Leap ', /^(\d+\.\d+)$/)],
  ['opensuse-tumbleweed', rolling('rpm', 'openSUSE:Tumbleweed')],
  ['mageia', released('rpm', 'Mageia:', WHOLE)],
  ['azurelinux', azure],
  ['mariner', azure],
  // OSV has no data of these; the names are what a revision built from a trivy.db or somebody's own records says.
  ['centos', released('rpm', 'CentOS:', MAJOR)],
  ['ol', released('rpm', 'Oracle Linux:', MAJOR)],
  ['fedora', released('rpm', 'Fedora:', WHOLE)],
  ['amzn', amazon],
  ['photon', released('rpm', 'Photon OS:', WHOLE)],
])

/** The distribution's ecosystems, or the sentence that says why there are none. */
export function distributionOf(os: { id: string; version: string } | undefined): Distribution | { gap: string } {
  if (!os) return { gap: 'The image names no distribution (no os-release file), so its OS packages cannot be judged' }
  const rule = DISTRIBUTIONS.get(os.id)
  const name = `${os.id}${os.version ? ` ${os.version}` : ''}`
  if (!rule) return { gap: `The distribution ${name} is not known, so its OS packages cannot be judged` }
  const ecosystems = rule.ecosystems(os.version)
  if (ecosystems.length === 0)
    return { gap: `The release of ${name} is not known, so its OS packages cannot be judged` }
  return { family: rule.family, ecosystems, subject: rule.subject ?? 'source' }
}
