/** Which distribution the OS packages of an SBOM are of, in the words of os-release. */
import type { Purl } from '../purl.ts'

type Os = { id: string; version: string }

/** How Trivy, Syft and the purl specification call distributions whose os-release has another id. */
const IDS: ReadonlyMap<string, string> = new Map([
  ['redhat', 'rhel'],
  ['alma', 'almalinux'],
  ['amazon', 'amzn'],
  ['amazonlinux', 'amzn'],
  ['oracle', 'ol'],
  ['oraclelinux', 'ol'],
  ['rockylinux', 'rocky'],
  ['suse', 'sles'],
  ['suse linux enterprise server', 'sles'],
  ['opensuse.leap', 'opensuse-leap'],
  ['opensuse.tumbleweed', 'opensuse-tumbleweed'],
  ['cbl-mariner', 'mariner'],
  ['azure', 'azurelinux'],
])

/** Releases by name, as `distro=` may have them. */
const CODE_NAMES: ReadonlyMap<string, Os> = new Map(
  Object.entries({
    debian: { buster: '10', bullseye: '11', bookworm: '12', trixie: '13', forky: '14' },
    ubuntu: { xenial: '16.04', bionic: '18.04', focal: '20.04', jammy: '22.04', noble: '24.04' },
  }).flatMap(([id, names]) => Object.entries(names).map(([name, version]) => [name, { id, version }] as const)),
)

/** The same distribution under its own name. */
export function namedOs({ id, version }: Os): Os {
  const lower = id.toLowerCase()
  return CODE_NAMES.get(version.toLowerCase()) ?? { id: IDS.get(lower) ?? lower, version }
}

/** What the qualifier `distro` says: `debian-12`, `opensuse-leap-15.5`, `bookworm`, or a version alone (Trivy's apk). */
export function distroOf({ namespace, qualifiers }: Purl): Os | undefined {
  const distro = qualifiers.get('distro')
  if (!distro) return namespace ? namedOs({ id: namespace, version: '' }) : undefined
  const [, name = '', version = ''] = /^(.*?)-?(\d[^-]*)?$/.exec(distro) ?? []
  if (name === '') return namedOs({ id: namespace, version })
  return CODE_NAMES.get(distro.replace(/^.*-/, '').toLowerCase()) ?? namedOs({ id: name, version })
}
