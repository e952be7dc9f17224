/** Version comparison for every ecosystem of the OSV schema that we know the rules of. */
import { LongshoreError } from '../../errors.ts'
import { compareAlpine } from './alpine.ts'
import { compareDebian } from './debian.ts'
import { compareMaven } from './maven.ts'
import { compareNumbers } from './numbers.ts'
import type { Comparator, Order } from './order.ts'
import { comparePackagist } from './packagist.ts'
import { comparePypi } from './pypi.ts'
import { compareRpm } from './rpm.ts'
import { compareRubygems } from './rubygems.ts'
import { compareNuget, comparePub, compareSemver } from './semver.ts'

/** OSV's names (https://ossf.github.io/osv-schema/#defined-ecosystems) and the distributions it does not name yet. */
const FAMILIES: [Comparator, string[]][] = [
  // opam orders as Debian does (https://opam.ocaml.org/doc/Manual.html#version-ordering).
  [compareDebian, ['Debian', 'Ubuntu', 'Echo', 'opam']],
  [
    compareAlpine,
    ['Alpine', 'Wolfi', 'Chainguard', 'MinimOS', 'Alpaquita', 'BellSoft Hardened Containers', 'Docker Hardened Images'],
  ],
  [
    compareRpm,
    [
      'Red Hat',
      'Rocky Linux',
      'AlmaLinux',
      'CentOS',
      'Fedora',
      'Oracle Linux',
      'Amazon Linux',
      'Azure Linux',
      'SUSE',
      'openSUSE',
      'openEuler',
      'Mageia',
      'Photon OS',
    ],
  ],
  [
    compareSemver,
    [
      'npm',
      'Go',
      'crates.io',
      'Hex',
      'SwiftURL',
      'Bitnami',
      'Bioconductor',
      'ConanCenter',
      'GitHub Actions',
      'Julia',
      'Kubernetes',
      'Linux',
      'VSCode',
    ],
  ],
  [comparePub, ['Pub']],
  [compareNuget, ['NuGet']],
  [comparePypi, ['PyPI']],
  [compareMaven, ['Maven']],
  [compareRubygems, ['RubyGems']],
  [comparePackagist, ['Packagist']],
  [compareNumbers, ['CRAN', 'Hackage', 'GHC']],
]

const COMPARATORS: ReadonlyMap<string, Comparator> = new Map(
  FAMILIES.flatMap(([comparator, names]) => names.map((name) => [name.toLowerCase(), comparator] as const)),
)

/** Publishers of patched packages of other ecosystems, which stand after their name: `TuxCare:Alpine:v3.16`. */
const WRAPPERS = new Set(['echo', 'root', 'tuxcare'])

function baseOf(ecosystem: string): string {
  const colon = ecosystem.indexOf(':')
  return (colon < 0 ? ecosystem : ecosystem.slice(0, colon)).trim().toLowerCase()
}

/** The comparator of an ecosystem, its release suffix ignored (`Debian:12`), or undefined when we know none. */
export function comparatorOf(ecosystem: string): Comparator | undefined {
  const colon = ecosystem.indexOf(':')
  const base = baseOf(ecosystem)
  const inner = colon >= 0 && WRAPPERS.has(base) ? COMPARATORS.get(baseOf(ecosystem.slice(colon + 1))) : undefined
  return inner ?? COMPARATORS.get(base)
}

/**
 * Orders two versions of one ecosystem by that ecosystem's own rules.
 * Throws `invalid-value` when the ecosystem is unknown; a malformed version is placed as well as it can be.
 *
 * @example compareVersions('Debian:12', '1.2.3-1~deb12u1', '1.2.3-1') // -1
 */
export function compareVersions(ecosystem: string, a: string, b: string): Order {
  const compare = comparatorOf(ecosystem)
  if (!compare)
    throw new LongshoreError(
      'invalid-value',
      `No version order is known for the ecosystem "${ecosystem.slice(0, 100)}"; use a name of the OSV schema, such as "Debian:12" or "npm"`,
    )
  return compare(a, b)
}

export type { Comparator, Order } from './order.ts'
export { compareSemver } from './semver.ts'
