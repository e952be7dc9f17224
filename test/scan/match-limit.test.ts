/** The limit of findings: where a report stops, and that it stops at the same place each time. */
import { describe, expect, test } from 'vitest'
import type { AdvisoryDatabase } from '../../lib/advisories/index.ts'
import { defaultLimits } from '../../lib/config.ts'
import { FORMATS } from '../../lib/report/index.ts'
import { readSbom } from '../../lib/scan/inputs/sbom.ts'
import { buildReport } from '../../lib/scan/match.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../../lib/scan/model.ts'

const LAYER = `sha256:${'b'.repeat(64)}`
const FLAWS = ['FLAW-1', 'FLAW-2', 'FLAW-3']

/** Knows three flaws of every package. */
const database: AdvisoryDatabase = {
  revision: '20260101-0000000000000000',
  createdAt: '2026-01-01T00:00:00.000Z',
  sources: [],
  covers: () => true,
  lookup: async () =>
    FLAWS.map((id) => ({
      id,
      ranges: [{ semver: false, events: [{ kind: 'introduced', version: '0' }] }],
      versions: [],
    })),
  details: async (_, id) => ({ id, aliases: [], upstream: [], related: [], title: id, severities: [], joined: {} }),
}

const dpkg = (name: string, path = 'var/lib/dpkg/status'): ImagePackage => ({
  kind: 'dpkg',
  name,
  version: '1',
  path,
  layer: LAYER,
})

const report = (packages: ImagePackage[], findingsMax: number) => {
  const inventory: ImageInventory = {
    analyzer: ANALYZER_VERSION,
    digest: `sha256:${'a'.repeat(64)}`,
    platform: 'linux/amd64',
    os: { id: 'debian', version: '12' },
    packages,
    layers: [],
    gaps: [],
    kind: 'image',
  }
  return buildReport({ image: 'registry.test/app:1', inventory, database, findingsMax })
}

describe('an image with more findings than a report may have', () => {
  const packages = [dpkg('c'), dpkg('a'), dpkg('b')]

  test('is told as a gap, and all its packages are listed', async () => {
    const { findings, gaps, coverage, summary, packages: listed } = await report(packages, 5)
    expect(findings.map(({ package: name, id }) => `${name} ${id}`)).toEqual([
      ...FLAWS.map((id) => `a ${id}`),
      ...FLAWS.slice(0, 2).map((id) => `b ${id}`),
    ])
    expect(gaps).toEqual(['more than 5 findings; the rest is not listed (limit findingsMax)'])
    expect({ coverage, unknown: summary.Unknown, listed: listed.length }).toEqual({
      coverage: 'partial',
      unknown: 5,
      listed: 3,
    })
  })

  test('has the same report whatever the order of its packages', async () => {
    expect(await report([...packages].reverse(), 4)).toEqual(await report(packages, 4))
  })

  test('has no such gap when they are exactly as many', async () => {
    const { findings, gaps, coverage } = await report(packages, 9)
    expect({ findings: findings.length, gaps, coverage }).toEqual({ findings: 9, gaps: [], coverage: 'full' })
  })

  test.each(['cyclonedx', 'spdx'])(
    'has no such gap when its report in %s is judged anew with room for all',
    async (name) => {
      const { write } = FORMATS.find(({ format }) => format === name)!
      const { inventory } = readSbom(Buffer.from(write(await report(packages, 5))), 'report.json', defaultLimits)
      const { findings, gaps } = await buildReport({ image: 'registry.test/app:1', inventory, database })
      expect({ findings: findings.length, gaps }).toEqual({ findings: 9, gaps: [] })
    },
  )
})

test('paths of kilobytes, which every finding repeats, end the list earlier', async () => {
  const path = `var/lib/dpkg/status.d/${'x'.repeat(4_000)}`
  const { findings, gaps } = await report([dpkg('a', path), dpkg('b', path), dpkg('c', path)], 9)
  expect(findings).toHaveLength(1)
  expect(gaps).toEqual(['more than 1 findings; the rest is not listed (limit findingsMax)'])
})
