/** SBOMs whose fields are longer than a package database has them. */
import { describe, expect, test } from 'vitest'
import type { AdvisoryDatabase } from '../../../lib/advisories/index.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { FORMATS } from '../../../lib/report/index.ts'
import { readSbom } from '../../../lib/scan/inputs/sbom.ts'
import { buildReport } from '../../../lib/scan/match.ts'
import { ANALYZER_VERSION, type ImageInventory } from '../../../lib/scan/model.ts'
import { parsePurl } from '../../../lib/scan/purl.ts'

const NO_ADVISORIES: AdvisoryDatabase = {
  revision: '20260101-0000000000000000',
  createdAt: '2026-01-01T00:00:00.000Z',
  sources: [],
  covers: () => true,
  lookup: async () => [],
  details: async () => undefined,
}
const LONG = 'a'.repeat(257)
const LONGEST = 'a'.repeat(256)

const read = (components: object[], more: object = {}) =>
  readSbom(
    Buffer.from(JSON.stringify({ bomFormat: 'CycloneDX', specVersion: '1.5', components, ...more })),
    'app.cdx.json',
    defaultLimits,
  ).inventory
const library = (purl: string, more: object = {}) => ({ type: 'library', name: 'x', version: '0', purl, ...more })
const property = (name: string, value: string) => ({ name, value })
const at = (location: string) => library('pkg:maven/g/a@1', { evidence: { occurrences: [{ location }] } })
const source = (name: string, version: string) => ({
  properties: [property('aquasecurity:trivy:SrcName', name), property('aquasecurity:trivy:SrcVersion', version)],
})

describe('a component that is longer than packages of images are', () => {
  test.each<[what: string, component: object]>([
    ['name', library(`pkg:npm/${LONG}@1`)],
    ['version', library(`pkg:npm/x@${LONG}`)],
    ['name with a namespace', library(`pkg:golang/${'a/'.repeat(127)}abc@1`)],
    ['source', library('pkg:deb/debian/x@1', source(LONG, '1'))],
    ['version of the source', library('pkg:deb/debian/x@1', source('x', LONG))],
    ['source in the package URL', library(`pkg:deb/debian/x@1?upstream=${LONG}`)],
    ['architecture', library(`pkg:deb/debian/x@1?arch=${LONG}`)],
    ['distribution', library(`pkg:deb/debian/x@1?distro=${LONG}`)],
    ['layer', library('pkg:npm/x@1', { properties: [property('aquasecurity:trivy:LayerDiffID', LONG)] })],
    ['path', library('pkg:npm/x@1', { evidence: { occurrences: [{ location: 'p'.repeat(4_097) }] } })],
    ['path of an archive', at(`${'p'.repeat(4_097)}!/a.jar`)],
    ['path in an archive', at(`a.jar!/${'p'.repeat(65_535)}`)],
    ['group', library(`pkg:maven/${LONG}/x@1`)],
    ['package URL', library(`pkg:npm/x@1?download_url=${'a'.repeat(16_384)}`)],
  ])('by its %s is told and not judged', (_, component) => {
    const { packages, gaps } = read([component, library('pkg:npm/y@1')])
    expect(packages.map(({ name }) => name)).toEqual(['y'])
    expect(gaps).toContainEqual(
      expect.stringMatching(/^1 component with a name, version, source or place that is too long cannot be judged: "/),
    )
  })

  test.each<[what: string, component: object]>([
    ['name', library(`pkg:npm/${LONGEST}@1`)],
    ['version', library(`pkg:npm/x@${LONGEST}`)],
    ['source', library('pkg:deb/debian/x@1', source(LONGEST, LONGEST))],
    ['path', library('pkg:npm/x@1', { evidence: { occurrences: [{ location: 'p'.repeat(4_096) }] } })],
    ['path of an archive and in it', at(`${'p'.repeat(4_096)}!/${'m'.repeat(60_000)}.jar`)],
    ['group and artifact', library(`pkg:maven/${LONGEST}/${LONGEST}@1`)],
    ['download address', library(`pkg:npm/x@1?download_url=${LONG}`)],
  ])('is judged when its %s is just as long', (_, component) => {
    expect(read([component]).packages).toHaveLength(1)
  })

  // Our own scan lists both; its SBOM was not read back whole.
  test.each(['cyclonedx', 'spdx'])('comes back whole from our own SBOM in %s', async (name) => {
    const layer = `sha256:${'b'.repeat(64)}`
    const common = { kind: 'maven', version: '1', path: 'app/x.jar', layer } as const
    const inventory: ImageInventory = {
      analyzer: ANALYZER_VERSION,
      digest: `sha256:${'a'.repeat(64)}`,
      platform: 'linux/amd64',
      packages: [
        { ...common, name: `${LONGEST}:${LONGEST}` },
        { ...common, name: 'g:a', member: `${'m/'.repeat(2_300)}x.jar` },
      ],
      layers: [],
      gaps: [],
      kind: 'image',
    }
    const { write } = FORMATS.find(({ format }) => format === name)!
    const report = await buildReport({ image: 'registry.test/app:1', inventory, database: NO_ADVISORIES })
    const back = readSbom(Buffer.from(write(report)), 'report.json', defaultLimits).inventory
    const again = await buildReport({ image: 'registry.test/app:1', inventory: back, database: NO_ADVISORIES })
    expect(again.packages).toEqual(report.packages)
    expect(again.gaps).toEqual(report.gaps)
  })

  test('is named by its own name when it has one, and by what is wrong when even that is too long to show', () => {
    const { gaps } = read([library(`pkg:npm/x@${LONG}`, { name: 'left-pad' })])
    expect(gaps.at(-1)).toBe(
      '1 component with a name, version, source or place that is too long cannot be judged: "left-pad"',
    )
    expect(
      Math.max(...read([library(`pkg:npm/x@${LONG}`, { name: 'b'.repeat(1e5) })]).gaps.map((g) => g.length)),
    ).toBeLessThan(500)
  })
})

test('an operating system with a name or version that is none is not known', () => {
  const os = { type: 'operating-system', name: 'debian', version: '1'.repeat(257) }
  expect(read([os, library('pkg:npm/x@1')]).os).toBeUndefined()
})

test('a package URL of megabytes is none', () => {
  expect(parsePurl(`pkg:a/${'/'.repeat(4e6)}@`)).toBeUndefined()
})

// A sentence of 4 MB took minutes.
test('what SPDX says of a source is not looked at when it is longer than anybody writes', () => {
  const sourceInfo = `from a${' in layer x of the source package y z'.repeat(50_000)}\n`
  const externalRefs = [{ referenceType: 'purl', referenceLocator: 'pkg:npm/x@1' }]
  const text = JSON.stringify({ spdxVersion: 'SPDX-2.3', packages: [{ name: 'x', sourceInfo, externalRefs }] })
  expect(readSbom(Buffer.from(text), 'x.json', defaultLimits).inventory.packages).toMatchObject([{ path: 'x.json' }])
})
