import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { unzipSync } from 'fflate'
import { describe, expect, test } from 'vitest'
import { buildRevision, directorySource, openAdvisories } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { buildReport } from '../../lib/scan/match.ts'
import type { ImageInventory, ImagePackage } from '../../lib/scan/model.ts'

const SHARED = '../shared/vulndata'
const STATUS = `${SHARED}/inventories/debian-12.15-minbase-python3.dpkg-status`
const runnable = existsSync(STATUS) && spawnSync('dpkg', ['--version']).status === 0

/** Read here by other means than the scanner's own parser: this test is its judge too. */
function readStatus(): ImagePackage[] {
  return readFileSync(STATUS, 'utf8')
    .split('\n\n')
    .flatMap((stanza) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(stanza)?.[1]
      const name = field('Package')
      const version = field('Version')
      if (!name || !version || field('Status') !== 'install ok installed') return []
      const source = /^(\S+)(?: \((.+)\))?$/.exec(field('Source') ?? name)!
      return [
        {
          kind: 'dpkg' as const,
          name,
          version,
          architecture: field('Architecture') ?? '',
          source: { name: source[1]!, version: source[2] ?? version },
          path: 'var/lib/dpkg/status',
          layer: `sha256:${'1'.repeat(64)}`,
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
  const members = unzipSync(readFileSync(`${SHARED}/osv/Debian/all.zip`))
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

describe.runIf(runnable)('the debootstrap inventory', () => {
  test('has exactly the findings that dpkg decides over source package and version', async () => {
    const packages = readStatus()
    const candidates = fixes().flatMap((fix) =>
      packages.filter((pack) => pack.source!.name === fix.source).map((pack) => ({ ...fix, pack })),
    )
    const decided = lower(candidates.map(({ pack, fixed }) => `${pack.source!.version} ${fixed}`))
    const expected = candidates.filter((_, i) => decided[i]).map(({ pack, record }) => `${pack.name} ${record}`)

    const blobs = memoryBlobs()
    const source = { ...directorySource(`${SHARED}/osv`, defaultLimits), ecosystems: async () => ['Debian'] }
    await buildRevision({ source, blobs, limits: defaultLimits })
    const inventory: ImageInventory = {
      analyzer: 1,
      digest: `sha256:${'2'.repeat(64)}`,
      platform: 'linux/amd64',
      os: { id: 'debian', version: '12' },
      packages,
      layers: [],
      gaps: [],
      kind: 'image',
    }
    const report = await buildReport({ image: 'lab/debian:12', inventory, database: await openAdvisories(blobs) })
    const found = report.findings.flatMap((finding) =>
      [finding.id, ...finding.aliases]
        .filter((id) => /^(DEBCL|DSA|DLA)-/.test(id))
        .map((id) => `${finding.package} ${id}`),
    )
    expect(found.sort()).toEqual(expected.sort())
    expect(candidates.length).toBeGreaterThan(200)
    expect([packages.length, report.findings.length, report.coverage]).toEqual([110, 55, 'full'])
  }, 60_000)
})
