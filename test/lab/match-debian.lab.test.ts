import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { buildRevision, directorySource, openAdvisories } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { buildReport } from '../../lib/scan/match.ts'
import type { ImageInventory, ImagePackage } from '../../lib/scan/model.ts'
import { dpkgVerdicts, foundPairs, installedOf, VULNERABILITY_DATA } from './dpkg-judge.ts'

const STATUS = `${VULNERABILITY_DATA}/inventories/debian-12.15-minbase-python3.dpkg-status`
const runnable = existsSync(STATUS) && spawnSync('dpkg', ['--version']).status === 0

describe.runIf(runnable)('the debootstrap inventory', () => {
  test('has exactly the findings that dpkg decides over source package and version', async () => {
    const packages = installedOf(readFileSync(STATUS, 'utf8')).map(
      (pack): ImagePackage => ({
        ...pack,
        kind: 'dpkg',
        path: 'var/lib/dpkg/status',
        layer: `sha256:${'1'.repeat(64)}`,
      }),
    )
    const { expected, judged } = dpkgVerdicts(installedOf(readFileSync(STATUS, 'utf8')))

    const blobs = memoryBlobs()
    const source = {
      ...directorySource(`${VULNERABILITY_DATA}/osv`, defaultLimits),
      ecosystems: async () => ['Debian'],
    }
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
    expect(foundPairs(report.findings)).toEqual(expected)
    expect(judged).toBeGreaterThan(200)
    expect([packages.length, report.findings.length, report.coverage]).toEqual([110, 55, 'full'])
  }, 60_000)
})
