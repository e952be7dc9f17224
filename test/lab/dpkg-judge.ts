/** What dpkg itself decides about Debian's records, by brute force: the judge of the matcher, so none of its code is used. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { unzipSync } from 'fflate'

/** Where OSV's dumps lie beside the repository; tests that need them are skipped elsewhere. */
export const VULNERABILITY_DATA = '../shared/vulndata'

export interface InstalledPackage {
  name: string
  version: string
  architecture: string
  source: { name: string; version: string }
}

/** The installed packages of a dpkg status file, read here by other means than the scanner's own parser. */
export function installedOf(status: string): InstalledPackage[] {
  return status.split('\n\n').flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1]
    const name = field('Package')
    const version = field('Version')
    if (!name || !version || field('Status') !== 'install ok installed') return []
    const source = /^(\S+)(?: \((.+)\))?$/.exec(field('Source') ?? name)!
    return [
      {
        name,
        version,
        architecture: field('Architecture') ?? '',
        source: { name: source[1]!, version: source[2] ?? version },
      },
    ]
  })
}

interface Fix {
  record: string
  source: string
  fixed: string
}

/** Every pair of a Debian:12 source package and the version that fixes it, straight from the zip. */
function fixes(): Fix[] {
  const members = unzipSync(readFileSync(`${VULNERABILITY_DATA}/osv/Debian/all.zip`))
  return Object.values(members).flatMap((bytes) => {
    const record = JSON.parse(Buffer.from(bytes).toString('utf8')) as {
      id: string
      withdrawn?: string
      affected: {
        package: { ecosystem: string; name: string }
        ranges: { events: { introduced?: string; fixed?: string }[] }[]
      }[]
    }
    return record.affected
      .filter((affected) => affected.package.ecosystem === 'Debian:12' && !record.withdrawn)
      .flatMap((affected) =>
        affected.ranges.flatMap(({ events }) =>
          events.flatMap(({ fixed }) => (fixed ? [{ record: record.id, source: affected.package.name, fixed }] : [])),
        ),
      )
  })
}

/** Lines "version fixed" -> whether dpkg calls the version lower, in one shell. */
function lower(pairs: string[]): boolean[] {
  const script = 'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo 1; else echo 0; fi; done'
  const { stdout } = spawnSync('sh', ['-c', script], { input: `${pairs.join('\n')}\n`, encoding: 'utf8' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => line === '1')
}

/** The pairs "binary package, record" that dpkg calls vulnerable, by source package and version; and how many it judged. */
export function dpkgVerdicts(packages: InstalledPackage[]): { expected: string[]; judged: number } {
  const candidates = fixes().flatMap((fix) =>
    packages.filter((pack) => pack.source.name === fix.source).map((pack) => ({ ...fix, pack })),
  )
  const decided = lower(candidates.map(({ pack, fixed }) => `${pack.source.version} ${fixed}`))
  const expected = candidates.filter((_, i) => decided[i]).map(({ pack, record }) => `${pack.name} ${record}`)
  return { expected: expected.sort(), judged: candidates.length }
}

/** The same pairs out of a report's findings: Debian's records are in `id` or `aliases`. */
export function foundPairs(findings: { id: string; aliases: string[]; package: string }[]): string[] {
  return findings
    .flatMap((finding) =>
      [finding.id, ...finding.aliases]
        .filter((id) => /^(DEBCL|DEBIAN|DSA|DLA)-/.test(id))
        .map((id) => `${finding.package} ${id}`),
    )
    .sort()
}
