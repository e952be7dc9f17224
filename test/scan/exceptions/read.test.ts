import { describe, expect, test } from 'vitest'
import { LongshoreError } from '../../../lib/errors.ts'
import { FORMATS } from '../../../lib/report/index.ts'
import { applyExceptions } from '../../../lib/scan/exceptions/apply.ts'
import { readExceptions } from '../../../lib/scan/exceptions/read.ts'
import { FINDINGS, PACKAGES, sample } from '../../report/sample.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const REPORT = sample({ suppressed: undefined as never })
const suppressedBy = (file: string, content: unknown) =>
  (
    applyExceptions(REPORT, readExceptions(file, typeof content === 'string' ? content : JSON.stringify(content)), NOW)
      .suppressed ?? []
  ).map(({ id, package: name }) => `${id} ${name}`)

describe('.trivyignore', () => {
  test('has an id per line, comments, and days on which a line ends', () => {
    const text = `# Only reachable by admins,
# who are trusted
CVE-2020-28500

CVE-2023-1 exp:2027-01-01\r
# over
CVE-2023-2 exp:2026-11-22
  GHSA-jfh8-c2jp-5v3q exp:soon
AVD-DS-0002
`
    expect(readExceptions('.trivyignore', text)).toEqual([
      {
        ids: ['CVE-2020-28500'],
        decision: 'ignored',
        reason: 'Only reachable by admins, who are trusted',
        source: '.trivyignore',
      },
      {
        ids: ['CVE-2023-1'],
        decision: 'ignored',
        reason: 'no reason is given',
        expires: '2027-01-01',
        source: '.trivyignore',
      },
      { ids: ['CVE-2023-2'], decision: 'ignored', reason: 'over', expires: '2026-11-22', source: '.trivyignore' },
      { ids: ['GHSA-jfh8-c2jp-5v3q'], decision: 'ignored', reason: 'over', expires: 'soon', source: '.trivyignore' },
      { ids: ['AVD-DS-0002'], decision: 'ignored', reason: 'over', source: '.trivyignore' },
    ])
    expect(suppressedBy('.trivyignore', text)).toEqual([
      'CVE-2020-28500 lodash',
      'CVE-2020-28500 lodash',
      'CVE-2023-1 libc6',
    ])
  })

  test('that is empty ignores nothing', () => {
    for (const text of ['', '\n', '# nothing']) expect(readExceptions('.trivyignore', text)).toEqual([])
  })
})

describe('.trivyignore.yaml', () => {
  test('narrows by paths and package URLs, and ends at a day', () => {
    const text = `
vulnerabilities:
  - id: CVE-2020-28500
    paths:
      - "**/a b/**"
    statement: Not reachable
  - id: CVE-2023-1
    purls:
      - pkg:deb/debian/libc6
    expired_at: 2027-01-01
  - id: CVE-2021-44228
    expired_at: 2026-01-01
secrets:
  - id: aws-access-key
`
    expect(readExceptions('.trivyignore.yaml', text)[0]).toEqual({
      ids: ['CVE-2020-28500'],
      paths: ['**/a b/**'],
      decision: 'ignored',
      reason: 'Not reachable',
      source: '.trivyignore.yaml',
    })
    expect(suppressedBy('.trivyignore.yaml', text)).toEqual(['CVE-2020-28500 lodash', 'CVE-2023-1 libc6'])
    expect(readExceptions('x.yml', '')).toEqual([])
  })

  test('is refused whole when it is not what it should be, also as a bomb', () => {
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [${'*a,'.repeat(9)}]\nc: &c [${'*b,'.repeat(9)}]\nd: [${'*c,'.repeat(9)}]`
    for (const text of ['vulnerabilities: {}', 'vulnerabilities: [{paths: []}]', 'a: [', bomb, `${'['.repeat(50_000)}`])
      expect(() => readExceptions('.trivyignore.yaml', text)).toThrow(
        expect.objectContaining({
          code: 'invalid-value',
          message: expect.stringContaining('.trivyignore.yaml'),
        }) as Error,
      )
  })
})

describe('our own JSON', () => {
  test('is a list of exceptions, alone or under a name', () => {
    const one = {
      id: 'CVE-2020-28500',
      package: 'lodash',
      image: '**/app',
      reason: 'internal',
      author: 'ann',
      expires: '2027-01-31',
    }
    expect(suppressedBy('a.json', [one])).toHaveLength(2)
    expect(
      suppressedBy('a.json', { exceptions: [{ ...one, status: 'false_positive', path: 'app/node_modules/lodash/*' }] }),
    ).toHaveLength(1)
  })

  test.each([
    [[{ id: 'CVE-1' }]],
    [[{ id: 'CVE-1', reason: 'x', expires: '31.1.2027' }]],
    [[{ id: 'CVE-1', reason: 'x', pakcage: 'lodash' }]],
    [{}],
    ['{"exceptions"'],
  ])('%j is refused', (content) => {
    expect(() => suppressedBy('a.json', content)).toThrow(LongshoreError)
  })
})

describe('OpenVEX', () => {
  const vex = (statements: object[], more: object = {}) => ({
    '@context': 'https://openvex.dev/ns/v0.2.0',
    '@id': 'https://openvex.dev/docs/example/vex-1',
    author: 'Ann',
    timestamp: '2026-01-01T00:00:00Z',
    version: 1,
    statements,
    ...more,
  })
  const image = { '@id': `pkg:oci/app@sha256%3A${'d'.repeat(64)}` }
  const lodash = { '@id': 'pkg:npm/lodash@4.17.20' }

  test('suppresses what is not affected or fixed, with its justification', () => {
    const document = vex([
      {
        vulnerability: { name: 'CVE-2020-28500' },
        products: [{ ...image, subcomponents: [lodash] }],
        status: 'not_affected',
        justification: 'vulnerable_code_not_in_execute_path',
        impact_statement: 'trim is never called',
      },
      { vulnerability: { '@id': 'https://nvd.nist.gov/vuln/detail/CVE-2023-1' }, products: [image], status: 'fixed' },
    ])
    const after = applyExceptions(REPORT, readExceptions('vex.json', JSON.stringify(document)), NOW)
    expect(after.suppressed?.map(({ id, suppression }) => [id, suppression])).toEqual([
      ...[1, 2].map(() => [
        'CVE-2020-28500',
        {
          status: 'not_affected',
          reason: 'trim is never called',
          justification: 'vulnerable_code_not_in_execute_path',
          author: 'Ann',
          source: 'vex.json',
        },
      ]),
      ['CVE-2023-1', { status: 'fixed', reason: 'fixed', author: 'Ann', source: 'vex.json' }],
    ])
  })

  test('says nothing of other images, other versions, or without a product', () => {
    const status = 'not_affected'
    const vulnerability = { name: 'CVE-2020-28500' }
    for (const products of [
      [],
      undefined,
      [{ '@id': `pkg:oci/app@sha256%3A${'e'.repeat(64)}` }],
      [{ '@id': `pkg:oci/app@sha256%3A${'e'.repeat(64)}`, subcomponents: [lodash] }],
      [{ '@id': 'pkg:npm/lodash@4.17.21' }],
      [{ ...image, subcomponents: [{ '@id': 'pkg:npm/other' }] }],
    ])
      expect(suppressedBy('vex.json', vex([{ vulnerability, products, status }]))).toEqual([])
    expect(suppressedBy('vex.json', vex([{ vulnerability, products: [lodash], status }]))).toHaveLength(2)
  })

  test('about a part that it gives no name we know hides nothing, and takes back what was hidden before', () => {
    const vulnerability = { name: 'CVE-2020-28500' }
    for (const part of [
      { identifiers: { cpe23: 'cpe:2.3:a:haxx:curl:8:*:*:*:*:*:*:*' } },
      { hashes: { 'sha-256': 'a'.repeat(64) } },
    ]) {
      const products = [{ ...image, subcomponents: [part] }]
      expect(suppressedBy('v', vex([{ vulnerability, products, status: 'not_affected' }]))).toEqual([])
      const before = { vulnerability, products: [lodash], status: 'fixed' }
      const taken = [before, { vulnerability, products, status: 'affected', timestamp: '2026-02-01T00:00:00Z' }]
      expect(suppressedBy('v', vex(taken))).toEqual([])
    }
  })

  test('the newest statement holds, wherever it stands', () => {
    const said = (status: string, timestamp: string) => ({
      vulnerability: { name: 'CVE-2020-28500' },
      products: [lodash],
      status,
      timestamp,
    })
    const [early, late] = ['2026-02-01T00:00:00Z', '2026-03-01T00:00:00Z']
    expect(suppressedBy('v', vex([said('affected', late), said('not_affected', early)]))).toEqual([])
    expect(suppressedBy('v', vex([said('not_affected', late), said('affected', early)]))).toHaveLength(2)
    expect(suppressedBy('v', vex([said('not_affected', late), said('under_investigation', late)]))).toEqual([])
    expect(
      suppressedBy('v', vex([said('not_affected', late), { ...said('affected', ''), timestamp: undefined }])),
    ).toHaveLength(2)
  })

  test('of its first version, with plain texts, is read as well', () => {
    const statements = [
      {
        vulnerability: 'CVE-2020-28500',
        products: [image['@id']],
        subcomponents: ['pkg:npm/lodash'],
        status: 'not_affected',
      },
    ]
    expect(suppressedBy('v', vex(statements, { '@context': 'https://openvex.dev/ns' }))).toHaveLength(2)
  })

  test('that is not one is refused whole', () => {
    for (const statements of [{}, [{ status: 'not_affected' }], [{ vulnerability: 'CVE-1', status: 'fine' }]])
      expect(() => suppressedBy('v', vex(statements as never))).toThrow(/v cannot be read as exceptions/)
  })
})

describe('CycloneDX VEX', () => {
  const vex = (affects: object[], analysis: object, more: object = {}) => ({
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    vulnerabilities: [{ id: 'CVE-2020-28500', analysis, affects }],
    ...more,
  })
  const purl = 'pkg:npm/lodash@4.17.20'

  test.each([
    ['not_affected', 2],
    ['false_positive', 2],
    ['resolved', 2],
    ['resolved_with_pedigree', 2],
    ['exploitable', 0],
    ['in_triage', 0],
    [undefined, 0],
    ['toString', 0],
    ['__proto__', 0],
  ])('state %s suppresses %i findings', (state, count) => {
    expect(suppressedBy('vex.cdx.json', vex([{ ref: purl }], { state }))).toHaveLength(count)
  })

  test('finds packages by reference in the document, by package URL, and by BOM-Link', () => {
    const analysis = { state: 'not_affected', justification: 'code_not_reachable', detail: 'why' }
    const components = [{ type: 'library', name: 'lodash', 'bom-ref': 'c1', purl }]
    expect(suppressedBy('v', vex([{ ref: 'c1' }], analysis, { components }))).toHaveLength(2)
    const link = `urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#${encodeURIComponent(purl)}`
    expect(suppressedBy('v', vex([{ ref: link }], analysis))).toHaveLength(2)
    for (const ref of ['c2', 'urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#c1', 'urn:cdx:x/1#%'])
      expect(suppressedBy('v', vex([{ ref }], analysis, { components }))).toEqual([])
  })

  test('about another image says nothing of this one', () => {
    const of = (digit: string) => ({
      metadata: {
        component: {
          type: 'container',
          'bom-ref': 'root',
          name: 'app',
          purl: `pkg:oci/app@sha256:${digit.repeat(64)}`,
        },
      },
    })
    for (const ref of ['root', purl]) {
      expect(suppressedBy('v', vex([{ ref }], { state: 'not_affected' }, of('d')))).toHaveLength(2)
      expect(suppressedBy('v', vex([{ ref }], { state: 'not_affected' }, of('e')))).toEqual([])
    }
  })

  test('that we wrote ourselves suppresses the same again', () => {
    const { write } = FORMATS.find(({ format }) => format === 'cyclonedx')!
    const suppression = { status: 'not_affected', reason: 'why', source: 'x' } as const
    const [, , nested] = FINDINGS
    const written = write(sample({ findings: [], suppressed: [{ ...nested!, suppression }] }))
    expect(suppressedBy('report.cdx.json', written)).toEqual(['CVE-2020-28500 lodash'])
    expect(PACKAGES.filter(({ name }) => name === 'lodash')).toHaveLength(2)
  })
})
