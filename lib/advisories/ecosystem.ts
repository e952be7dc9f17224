/** OSV's ecosystem and package names in one spelling, so that what was built is what is looked up. */

/** Ecosystems whose suffix is a release that decides (`Debian:12`); elsewhere it only names a registry and is dropped. */
const RELEASED = new Set(
  [
    'Debian',
    'Ubuntu',
    'Alpine',
    'Wolfi',
    'Chainguard',
    'Red Hat',
    'Rocky Linux',
    'AlmaLinux',
    'openSUSE',
    'SUSE',
    'Mageia',
    'openEuler',
    'Photon OS',
    'Azure Linux',
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
  if (!RELEASED.has(base.toLowerCase())) return base
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
