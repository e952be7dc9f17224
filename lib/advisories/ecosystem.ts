/** OSV's ecosystem and package names in one spelling, so that what was built is what is looked up. */

/**
 * Registries of languages: what stands after the colon is an address (`Maven:https://repo1.maven.org/maven2`) and says
 * nothing of a package. Everywhere else it is a release or a product that decides (`Debian:12`, `Oracle Linux:8`), also
 * for ecosystems that are not known here: two releases in one file would judge each other's packages.
 */
const REGISTRIES = new Set(
  [
    'Bitnami',
    'ConanCenter',
    'CRAN',
    'crates.io',
    'GHC',
    'GitHub Actions',
    'Go',
    'Hackage',
    'Hex',
    'Julia',
    'Maven',
    'npm',
    'NuGet',
    'opam',
    'Packagist',
    'Pub',
    'PyPI',
    'RubyGems',
    'SwiftURL',
    'VSCode',
  ].map((name) => name.toLowerCase()),
)

/** The part before the colon: the name of the folder that holds `all.zip`. */
export function baseEcosystem(ecosystem: string): string {
  const colon = ecosystem.indexOf(':')
  return colon < 0 ? ecosystem : ecosystem.slice(0, colon)
}

/**
 * The ecosystem a record is filed under. `Ubuntu:22.04:LTS` and `Ubuntu:22.04` are one release; a language registry's
 * address is dropped.
 */
export function fileEcosystem(ecosystem: string): string {
  const base = baseEcosystem(ecosystem)
  if (REGISTRIES.has(base.toLowerCase())) return base
  return base === 'Ubuntu' ? ecosystem.replace(/:LTS$/, '') : ecosystem
}

const PYPI_SEPARATORS = /[-_.]+/g

/** A package name as it is compared: PEP 503 for PyPI, lower case where the registry ignores case. */
export function normalName(ecosystem: string, name: string): string {
  switch (baseEcosystem(ecosystem)) {
    case 'PyPI':
      return name.toLowerCase().replace(PYPI_SEPARATORS, '-')
    case 'NuGet':
    case 'Packagist':
    case 'GitHub Actions':
      return name.toLowerCase()
    default:
      return name
  }
}

/** How a revision files a package; two spellings that mean one package have one key. */
export function packageKey(ecosystem: string, name: string): { ecosystem: string; name: string } {
  const file = fileEcosystem(ecosystem)
  return { ecosystem: file, name: normalName(file, name) }
}
