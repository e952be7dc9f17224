/** SBOMs whose fields are longer than a package database has them. */
import { describe, expect, test } from 'vitest'
import { defaultLimits } from '../../../lib/config.ts'
import { readSbom } from '../../../lib/scan/inputs/sbom.ts'
import { parsePurl } from '../../../lib/scan/purl.ts'

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
    ['download address', library(`pkg:npm/x@1?download_url=${LONG}`)],
  ])('is judged when its %s is just as long', (_, component) => {
    expect(read([component]).packages).toHaveLength(1)
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
