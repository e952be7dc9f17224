/** The limit of findings: which ones a report lists, and that they are the same each time. */
import { describe, expect, test } from 'vitest'
import type { AdvisoryDatabase } from '../../lib/advisories/index.ts'
import { defaultLimits } from '../../lib/config.ts'
import { FORMATS } from '../../lib/report/index.ts'
import type { Finding } from '../../lib/report/model.ts'
import { readSbom } from '../../lib/scan/inputs/sbom.ts'
import { buildReport } from '../../lib/scan/match.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../../lib/scan/model.ts'

const LAYER = `sha256:${'b'.repeat(64)}`
const FLAWS = ['FLAW-1', 'FLAW-2', 'FLAW-3']

/** What a record says of the package, where it says anything. */
const WORDS: Record<string, string> = { openssl: 'critical', zlib: 'high', kernel: 'negligible' }

/** Knows three flaws of every package. */
const database: AdvisoryDatabase = {
  revision: '20260101-0000000000000000',
  createdAt: '2026-01-01T00:00:00.000Z',
  sources: [],
  covers: () => true,
  lookup: async (_, name) =>
    FLAWS.map((id) => ({
      id,
      ...(WORDS[name] ? { label: WORDS[name] } : {}),
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

const namesOf = (findings: Finding[]) => findings.map(({ package: name, id }) => `${name} ${id}`)

describe('an image with more findings than a report may have', () => {
  const packages = [dpkg('c'), dpkg('a'), dpkg('b')]

  test('is told as a gap, and all its packages are listed', async () => {
    const { findings, gaps, coverage, summary, packages: listed } = await report(packages, 5)
    expect(namesOf(findings)).toEqual([...FLAWS.map((id) => `a ${id}`), ...FLAWS.slice(0, 2).map((id) => `b ${id}`)])
    expect(gaps).toEqual(['more than 5 findings; only the most urgent 5 are listed (limit findingsMax)'])
    expect({ coverage, unknown: summary.Unknown, listed: listed.length }).toEqual({
      coverage: 'partial',
      unknown: 5,
      listed: 3,
    })
  })

  test('has the same report whatever the order of its packages', async () => {
    expect(await report([...packages].reverse(), 4)).toEqual(await report(packages, 4))
  })

  // A kernel with many negligible flaws pushed the critical ones of what follows it in the alphabet out.
  test.each([2, 3, 4, 5, 7])('lists the most urgent %d, wherever they are', async (findingsMax) => {
    const kernels = Array.from({ length: 4 }, (_, n) => dpkg('kernel', `${n}/var/lib/dpkg/status`))
    const inOrder = [...kernels, dpkg('openssl'), dpkg('zlib')]
    const { findings, gaps, coverage } = await report(inOrder, findingsMax)
    const { findings: all } = await report(inOrder, 100)
    expect(findings).toEqual(all.slice(0, findingsMax))
    expect(namesOf(findings)[0]).toBe('openssl FLAW-1')
    expect({ gaps, coverage }).toMatchObject({ gaps: [expect.stringContaining('findingsMax')], coverage: 'partial' })
  })

  test('is looked at up to ten times as many, and says so', async () => {
    const kernels = (count: number) =>
      Array.from({ length: count }, (_, n) => dpkg('kernel', `${100 + n}/var/lib/dpkg/status`))
    const within = await report([...kernels(9), dpkg('openssl')], 3)
    expect(namesOf(within.findings)).toEqual(FLAWS.map((id) => `openssl ${id}`))
    expect(within.gaps).toEqual(['more than 3 findings; only the most urgent 3 are listed (limit findingsMax)'])
    const beyond = await report([...kernels(10), dpkg('openssl')], 3)
    expect(namesOf(beyond.findings)).toEqual(Array(3).fill('kernel FLAW-1'))
    expect(beyond.gaps).toEqual([
      'more than 3 findings; only the most urgent 3 of the first 30 are listed (limit findingsMax)',
    ])
    expect(beyond.packages).toHaveLength(11)
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
  expect(gaps).toEqual(['more than 1 findings; only the most urgent 1 are listed (limit findingsMax)'])
})

test('a less urgent finding does not take the place of one whose path is too long', async () => {
  const path = 'x'.repeat(1_800)
  const packages = [dpkg('zlib', `1${path}`), dpkg('openssl', path), dpkg('kernel')]
  const reports = await Promise.all([4, 5].map((findingsMax) => report(packages, findingsMax)))
  expect(reports.map(({ findings }) => namesOf(findings))).toEqual([['openssl FLAW-1'], ['openssl FLAW-1']])
})
