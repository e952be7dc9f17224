import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { buildRevision, openAdvisories } from '../../lib/advisories/index.ts'
import { memoryBlobs } from '../../lib/blobs/memory.ts'
import { defaultLimits } from '../../lib/config.ts'
import { buildReport } from '../../lib/scan/match.ts'
import { dump, dumps, record } from '../advisories/dumps.ts'

const CRITICAL = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H'
const cve = (number: number, severity: string) =>
  record(`GHSA-${number}`, 'npm', 'x', '2', {
    aliases: [`CVE-2024-000${number}`],
    ...(severity.startsWith('CVSS')
      ? { severity: [{ type: 'CVSS_V3', score: severity }] }
      : { database_specific: { severity } }),
  })

test('what is exploited comes first, then what is likely to be, then severity; EPSS is joined by CVE in hundredths', async () => {
  using world = dumps({
    npm: dump(
      cve(1, CRITICAL),
      cve(2, 'LOW'),
      cve(3, 'MODERATE'),
      cve(4, CRITICAL),
      cve(5, 'HIGH'),
      record('GHSA-9', 'npm', 'x', '2', {}),
    ),
  })
  const enrichment = join(world.directory, 'enrichment')
  mkdirSync(join(enrichment, 'epss'), { recursive: true })
  const csv = `#model_version:v2025.03.14,score_date:2026-11-21T00:00:00Z
cve,epss,percentile
CVE-2024-0002,0.30412,0.97
CVE-2024-0003,0.00043,0.1
CVE-2024-0004,0.0249,0.8
CVE-2024-0005,0.9421,0.999
broken
CVE-2024-0001,2,1
`
  writeFileSync(join(enrichment, 'epss/epss_scores-current.csv.gz'), gzipSync(csv))
  const kev = { vulnerabilities: [{ cveID: 'CVE-2024-0003', vulnerabilityName: 'X bug' }] }
  writeFileSync(join(enrichment, 'known_exploited_vulnerabilities.json'), JSON.stringify(kev))
  const blobs = memoryBlobs()
  await buildRevision({ source: world.source(), blobs, limits: defaultLimits, enrichment })
  const { findings } = await buildReport({
    image: 'r.test/a:1',
    inventory: {
      analyzer: 1,
      digest: `sha256:${'a'.repeat(64)}`,
      platform: 'linux/amd64',
      packages: [{ kind: 'npm', name: 'x', version: '1.0.0', path: 'x', layer: `sha256:${'b'.repeat(64)}` }],
      layers: [],
      gaps: [],
      kind: 'image',
    },
    database: await openAdvisories(blobs),
  })
  expect(findings.map(({ id, kev, epss, severity }) => [id, kev, epss, severity])).toEqual([
    ['CVE-2024-0003', true, undefined, 'Medium'],
    ['CVE-2024-0005', false, 0.94, 'High'],
    ['CVE-2024-0002', false, 0.3, 'Low'],
    ['CVE-2024-0004', false, 0.02, 'Critical'],
    ['CVE-2024-0001', false, undefined, 'Critical'],
    ['GHSA-9', false, undefined, 'Unknown'],
  ])
})
