/**
 * JSON that nobody writes, in every place of every kind of document that is read: lists 100,000 deep, and fields that
 * hide in `__proto__`. A reader may refuse a document or leave something out, by an error of its own; it may not end the
 * process, change what other objects have, or take a hidden field for a real one.
 */
import { describe, expect, test } from 'vitest'
import { readRecord } from '../../../lib/advisories/intake.ts'
import { defaultLimits } from '../../../lib/config.ts'
import { LongshoreError } from '../../../lib/errors.ts'
import { parseManifest } from '../../../lib/oci/manifest.ts'
import { readExceptions } from '../../../lib/scan/exceptions/read.ts'
import { readSbom } from '../../../lib/scan/inputs/sbom.ts'
import { Unreadable } from '../../../lib/scan/packages/analyzer.ts'
import { composer } from '../../../lib/scan/packages/composer.ts'
import { npm } from '../../../lib/scan/packages/npm.ts'
import { nuget } from '../../../lib/scan/packages/nuget.ts'
import { readConfig } from '../../../lib/scan/target.ts'
import { sha256 } from '../archives.ts'
import { readFile } from '../packages/reading.ts'

const DEPTH = 100_000
const DEEP = `${'['.repeat(DEPTH)}${']'.repeat(DEPTH)}`
const DIGEST = `sha256:${'a'.repeat(64)}`

interface Document {
  whole: unknown
  read(text: string): unknown
}

const layer = { mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest: DIGEST, size: 1 }
const library = {
  type: 'library',
  name: 'left',
  version: '1',
  purl: 'pkg:npm/left@1',
  properties: [{ name: 'aquasecurity:trivy:LayerDiffID', value: DIGEST }],
  evidence: { occurrences: [{ location: 'app/package.json' }] },
}

const DOCUMENTS: Record<string, Document> = {
  'package.json': {
    whole: { name: 'left', version: '1.0.0' },
    read: (text) => readFile(npm, 'node_modules/left/package.json', text),
  },
  'installed.json': {
    whole: { packages: [{ name: 'a/b', version: '1.0.0' }] },
    read: (text) => readFile(composer, 'vendor/composer/installed.json', text),
  },
  'deps.json': {
    whole: { libraries: { 'A/1.0.0': { type: 'package' }, 'B/1.0.0': { type: 'project' } } },
    read: (text) => readFile(nuget, 'app/app.deps.json', text),
  },
  'CycloneDX SBOM': {
    whole: {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      metadata: { component: { type: 'container', name: 'app', version: DIGEST }, tools: [{ name: 'x' }] },
      components: [
        { type: 'operating-system', name: 'debian', version: '12' },
        { ...library, components: [library] },
      ],
      compositions: [{ aggregate: 'complete' }],
    },
    read: (text) => readSbom(Buffer.from(text), 'sbom', defaultLimits),
  },
  'SPDX SBOM': {
    whole: {
      spdxVersion: 'SPDX-2.3',
      name: 'app',
      creationInfo: { creators: ['Tool: x'], comment: 'c' },
      packages: [
        {
          SPDXID: 'SPDXRef-a',
          name: 'left',
          versionInfo: '1',
          externalRefs: [{ referenceType: 'purl', referenceLocator: 'pkg:npm/left@1' }],
        },
      ],
      relationships: [{ spdxElementId: 'a', relationshipType: 'DESCRIBES', relatedSpdxElement: 'SPDXRef-a' }],
    },
    read: (text) => readSbom(Buffer.from(text), 'sbom', defaultLimits),
  },
  OpenVEX: {
    whole: {
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'x',
      author: 'ann',
      timestamp: '2026-01-01T00:00:00Z',
      version: 1,
      statements: [
        {
          vulnerability: { name: 'CVE-2024-1' },
          products: [{ '@id': 'pkg:oci/app', subcomponents: [{ '@id': 'pkg:npm/left' }] }],
          status: 'not_affected',
          justification: 'component_not_present',
        },
      ],
    },
    read: (text) => readExceptions('vex.json', text),
  },
  'CycloneDX VEX': {
    whole: {
      bomFormat: 'CycloneDX',
      specVersion: '1.6',
      components: [{ ...library, 'bom-ref': 'left' }],
      vulnerabilities: [{ id: 'CVE-2024-1', analysis: { state: 'not_affected' }, affects: [{ ref: 'left' }] }],
    },
    read: (text) => readExceptions('vex.json', text),
  },
  'exceptions of ours': {
    whole: { exceptions: [{ id: 'CVE-2024-1', reason: 'r', package: 'left' }] },
    read: (text) => readExceptions('exceptions.json', text),
  },
  '.trivyignore.yaml': {
    whole: { vulnerabilities: [{ id: 'CVE-2024-1', paths: ['a'], statement: 's' }] },
    read: (text) => readExceptions('.trivyignore.yaml', text),
  },
  'OSV record': {
    whole: {
      id: 'GHSA-1',
      modified: '2026-01-01T00:00:00Z',
      aliases: ['CVE-2024-1'],
      severity: [{ type: 'CVSS_V3', score: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' }],
      references: [{ type: 'WEB', url: 'https://x.test' }],
      database_specific: { severity: 'HIGH' },
      affected: [
        {
          package: { ecosystem: 'npm', name: 'left' },
          ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '1' }] }],
          versions: ['0.1'],
        },
      ],
    },
    read: (text) => readRecord(Buffer.from(text), defaultLimits.advisoryEventsMax),
  },
  manifest: {
    whole: { schemaVersion: 2, config: layer, layers: [layer], annotations: { a: 'b' } },
    read: (text) =>
      parseManifest(Buffer.from(text), {
        what: 'it',
        contentType: '',
        digest: sha256(Buffer.from(text)),
        limits: defaultLimits,
      }),
  },
  'image config': {
    whole: { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [DIGEST] } },
    read: (text) => readConfig(Buffer.from(text), 'it'),
  },
}

/** Every value in a document, by the keys that lead to it. */
function* places(value: unknown, at: string[] = []): Generator<string[]> {
  yield at
  if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) yield* places(inner, [...at, key])
}

/** The document as text, with this text in that place. */
function withAt(whole: unknown, at: string[], change: (there: unknown) => string): string {
  const put = (value: unknown, [key, ...rest]: string[]): string => {
    if (key === undefined) return change(value)
    const inner = Object.entries(value as object).map(([name, one]) => {
      const text = name === key ? put(one, rest) : JSON.stringify(one)
      return Array.isArray(value) ? text : `${JSON.stringify(name)}:${text}`
    })
    return Array.isArray(value) ? `[${inner.join(',')}]` : `{${inner.join(',')}}`
  }
  return put(whole, at)
}

/** What a reader says: its answer, or an error that is its own. */
function outcome(read: (text: string) => unknown, text: string): unknown {
  try {
    return read(text)
  } catch (error) {
    if (error instanceof LongshoreError) return error.code
    if (error instanceof Unreadable) return 'unreadable'
    throw error
  }
}

describe.each(Object.entries(DOCUMENTS))('%s', (_, { whole, read }) => {
  const all = [...places(whole)]

  test('is read when it is as it should be', () => {
    expect(typeof outcome(read, JSON.stringify(whole))).toBe('object')
  })

  test('with lists nested 100,000 deep in any of its places is read or refused', () => {
    for (const at of all)
      outcome(
        read,
        withAt(whole, at, () => DEEP),
      )
  })

  test('with the fields of any of its objects in __proto__ is as if they were not there', () => {
    for (const at of all) {
      const hidden = withAt(whole, at, (there) => `{"__proto__":${JSON.stringify(there)}}`)
      const without = withAt(whole, at, (there) => `{"neitherof":${JSON.stringify(there)}}`)
      expect(shown(outcome(read, hidden))).toBe(shown(outcome(read, without)))
      for (const name of ['name', 'id', 'version', 'type', 'neitherof']) expect({}).not.toHaveProperty(name)
    }
  })
})

/** Names of unknown fields are no matter, and a digest of the whole document is another by nature. */
const shown = (value: unknown): string =>
  JSON.stringify(value, (key, one: unknown) =>
    key === 'digest' || key === 'bytes' || key === 'raw' ? undefined : one,
  ).replaceAll(/__proto__|neitherof/g, 'it')

test.each([
  ['flow lists', '['.repeat(DEPTH)],
  ['flow maps', '{a: '.repeat(DEPTH)],
  ['lists on one line', `${'- '.repeat(DEPTH)}a`],
  ['keys on one line', `${'? '.repeat(DEPTH)}a`],
  ['lists line by line', Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}-`).join('\n')],
  ['maps line by line', Array.from({ length: 2_000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')],
])('a .trivyignore.yaml of %s nested beyond measure is refused', (_, text) => {
  for (const yaml of [text, `vulnerabilities:\n  - id: a\n    paths: ${text}`])
    expect(outcome((one) => readExceptions('.trivyignore.yaml', one), yaml)).toBe('invalid-value')
})

test('a .trivyignore.yaml whose texts hold brackets is read', () => {
  const rules = Array.from({ length: 300 }, (_, i) => `  - id: CVE-2024-${i}\n    statement: "see [[${i}"\n`)
  const more = '  - id: CVE-1\n    statement: |\n      [[[ {{{\n    paths: [a, "[b"]\n'
  expect(readExceptions('.trivyignore.yaml', `vulnerabilities:\n${rules.join('')}${more}`)).toHaveLength(301)
})
