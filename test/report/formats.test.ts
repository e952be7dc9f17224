import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SEVERITIES } from '../../lib/glossary.ts'
import { writeSbom } from '../../lib/report/cyclonedx.ts'
import { FORMATS, readReport, selectFindings, writeJson } from '../../lib/report/index.ts'
import type { Finding, Report } from '../../lib/report/model.ts'
import { countsOf } from '../../lib/report/select.ts'
import { fileName, imageParts, imagePurl, uriPart } from '../../lib/report/subject.ts'
import { harborProblems, spdxProblems, trivyProblems } from './forms.ts'
import { BLOBS, empty, FINDINGS, HOSTILE, LAYERS, PACKAGES, SUPPRESSED, sample } from './sample.ts'
import { cycloneDxProblems, sarifProblems } from './schemas.ts'

const write = (format: string, report: Report): string => FORMATS.find((one) => one.format === format)!.write(report)
// biome-ignore lint/suspicious/noExplicitAny: documents of foreign formats, looked into at places
const read = (format: string, report: Report = sample()): any => JSON.parse(write(format, report))

const shuffledKeys = (report: Report): Report =>
  JSON.parse(
    JSON.stringify(report, (_, value: unknown) =>
      value !== null && typeof value === 'object' && !Array.isArray(value)
        ? Object.fromEntries(Object.entries(value).reverse())
        : value,
    ),
  ) as Report

describe('every format', () => {
  test('has a name, a content type, a file extension, and ends its text with a line end', () => {
    const names = ['json', 'table', 'sarif', 'cyclonedx', 'spdx', 'trivy', 'harbor', 'html', 'csv']
    expect(FORMATS.map(({ format }) => format)).toEqual(names)
    expect(new Set(FORMATS.map(({ extension }) => extension)).size).toBe(names.length)
    for (const { contentType, write } of FORMATS) {
      expect(contentType).toMatch(/^[a-z]+\/[a-z.+-]+/)
      for (const report of [sample(), empty()]) expect(write(report)).toMatch(/\n$/)
    }
  })

  test.each(FORMATS.map(({ format }) => format))(
    '%s of equal reports is equal, of another revision it is not',
    (format) => {
      const text = write(format, sample())
      expect(write(format, shuffledKeys(sample()))).toBe(text)
      expect(write(format, readReport(Buffer.from(writeJson(sample()))))).toBe(text)
      if (format !== 'csv')
        expect(write(format, sample({ createdAt: '2026-11-21T00:00:00.000Z', revision: '20261121-def' }))).not.toBe(
          text,
        )
    },
  )

  test.each(FORMATS.map(({ format }) => format))(
    '%s of a large report is quick and grows with it, not faster',
    (format) => {
      const many = Array.from({ length: 3_000 }, (_, i) => ({
        ...FINDINGS[i % FINDINGS.length]!,
        id: `CVE-2020-${10_000 + i}`,
      }))
      const started = process.cpuUsage()
      write(format, sample({ findings: many }))
      const { user } = process.cpuUsage(started)
      expect(user / 1000).toBeLessThan(1_500)
    },
  )
})

describe('the layers', () => {
  const diffIds = sample().layers!.map(({ diffId }) => diffId)

  test('stand in the report bottom up, by what the registry calls them and by their content', () => {
    expect(read('json').layers).toEqual(sample().layers)
    expect(Object.keys(read('json')).indexOf('layers')).toBe(Object.keys(read('json')).indexOf('packages') - 1)
  })

  test('name the blob of each package and finding in every format that has a place for it', () => {
    const [, , java] = read('trivy').Results
    expect(java.Packages[0].Layer).toEqual({ Digest: BLOBS[1], DiffID: LAYERS[1] })
    expect(read('trivy').Metadata).toMatchObject({
      DiffIDs: diffIds,
      Layers: sample().layers!.map(({ digest, diffId }) => ({ Digest: digest, DiffID: diffId })),
    })
    expect(read('harbor').vulnerabilities[3].layer).toEqual({ digest: BLOBS[0], diff_id: LAYERS[0] })
    expect(read('sarif').runs[0].results[0].properties).toMatchObject({ layer: LAYERS[1], layerDigest: BLOBS[1] })
    const { properties } = read('cyclonedx').metadata
    expect(properties.filter(({ name }: { name: string }) => name === 'longshore:layer')).toEqual(
      sample().layers!.map(({ digest, diffId }) => ({ name: 'longshore:layer', value: `${digest} ${diffId}` })),
    )
    expect(read('spdx').packages[2].comment).toBe(`layer blob ${BLOBS[0]}`)
  })

  test('of a report that was stored before they were kept are named by their content alone', async () => {
    const { layers: _, ...old } = sample()
    const stored = readReport(Buffer.from(JSON.stringify(old)))
    for (const { write } of FORMATS) expect(write(stored)).toMatch(/\n$/)
    expect(read('json', stored)).not.toHaveProperty('layers')
    expect(read('trivy', stored).Results[0].Packages[0].Layer).toEqual({ DiffID: LAYERS[0] })
    expect(read('trivy', stored).Metadata.DiffIDs).toEqual(LAYERS)
    expect(read('harbor', stored).vulnerabilities[3].layer).toEqual({ diff_id: LAYERS[0] })
    expect(await cycloneDxProblems(write('cyclonedx', stored))).toBeNull()
    expect(write('cyclonedx', stored)).not.toContain('LayerDigest')
  })
})

describe('a report that is not whole', () => {
  const GAPS = ['opt/x.jar cannot be read', 'The image has no distribution']
  const partial = { ...empty(), coverage: 'partial' as const, gaps: GAPS }

  test.each(FORMATS.map(({ format }) => format).filter((format) => format !== 'csv'))(
    '%s says that coverage is partial and names every gap, also when nothing was found',
    (format) => {
      const text = write(format, partial)
      expect(text).toContain('partial')
      for (const gap of GAPS) expect(text).toContain(gap)
      expect(text).not.toMatch(/no (?:other )?known vulnerabilities/i)
    },
  )

  test.each(['table', 'html'])('%s says that there are no known vulnerabilities only at full coverage', (format) => {
    expect(write(format, empty())).toContain('No known vulnerabilities.')
    for (const coverage of ['partial', 'none'] as const)
      expect(write(format, { ...partial, coverage })).not.toMatch(/no (?:other )?known vulnerabilities/i)
  })

  test('has it where machines look for it', () => {
    const { runs } = read('sarif', partial)
    expect(runs[0].properties.coverage).toBe('partial')
    const notices = runs[0].invocations[0].toolExecutionNotifications as { message: { text: string } }[]
    expect(notices.map(({ message }) => message.text)).toEqual(GAPS)
    expect(read('cyclonedx', partial).metadata.properties).toEqual(
      expect.arrayContaining([
        { name: 'longshore:coverage', value: 'partial' },
        ...GAPS.map((value) => ({ name: 'longshore:gap', value })),
      ]),
    )
    expect(read('spdx', partial).creationInfo.comment).toBe(
      ['Advisory revision 20261120-abc, coverage partial', ...GAPS].join('\n'),
    )
    expect(read('trivy', partial).Metadata.Longshore).toEqual({
      Revision: '20261120-abc',
      Coverage: 'partial',
      Gaps: GAPS,
    })
    expect(read('harbor', partial).vendor_attributes).toEqual({
      revision: '20261120-abc',
      coverage: 'partial',
      gaps: GAPS,
    })
    expect(read('harbor', partial).severity).toBe('Unknown')
  })
})

describe('texts of any kind', () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 30 }),
    fc.webUrl(),
    fc.constantFrom(HOSTILE, '', '%', '\ud800'),
  )
  const findings = fc
    .array(
      fc.record({
        id: text,
        aliases: fc.array(text, { maxLength: 2 }),
        package: text,
        version: text,
        path: text,
        title: text,
        url: text,
        severitySource: fc.option(text, { nil: undefined }),
        fixedVersion: fc.option(text, { nil: undefined }),
        severity: fc.constantFrom(...SEVERITIES),
        kev: fc.boolean(),
      }),
      { minLength: 3, maxLength: 25 },
    )
    .map((found) =>
      found.map((more, i) => {
        const purl = `pkg:npm/${uriPart(more.package)}@${i}`
        return { ...FINDINGS[i % FINDINGS.length]!, ...more, purl } as Finding
      }),
    )
  const report = fc.record({ image: text.filter((name) => name !== ''), findings }).map(({ image, findings }) => {
    const packages = findings.map(({ package: name, version, purl, path, layer }) => ({
      name,
      version,
      purl,
      path,
      layer,
    }))
    return sample({ image, findings, packages, ...countsOf(findings) })
  })

  test('give valid SARIF, SPDX, Harbor and Trivy reports, a page that holds, and the same bytes each time', () => {
    fc.assert(
      fc.property(report, (one) => {
        expect(sarifProblems(write('sarif', one))).toBeNull()
        expect(spdxProblems(write('spdx', one))).toEqual([])
        expect(harborProblems(write('harbor', one))).toEqual([])
        expect(trivyProblems(write('trivy', one))).toEqual([])
        expect(write('html', one)).not.toMatch(/<script|href="(?!https?:)|[\u202a-\u202e]/i)
        for (const { write } of FORMATS) expect(write(one)).toBe(write(one))
      }),
      { numRuns: 20, seed: 4 },
    )
  })

  // The strict validator takes 100 ms for each document.
  test('give valid CycloneDX', async () => {
    const documents = fc.sample(report, { numRuns: 5, seed: 5 }).map((one) => write('cyclonedx', one))
    for (const document of documents) expect(await cycloneDxProblems(document)).toBeNull()
  })
})

describe('the name of an image', () => {
  test.each([
    ['my\napp', { registry: '', repository: 'my\napp', tag: '' }],
    [
      'host.example/a\u2028b/c\r\nd:1\n0@sha256:0\n1',
      { registry: 'host.example', repository: 'a\u2028b/c\r\nd', tag: '1\n0' },
    ],
    ['\n', { registry: '', repository: '\n', tag: '' }],
  ])('that is %j has its parts, and a place in every format', async (image, parts) => {
    expect(imageParts(image)).toEqual(parts)
    const report = sample({ image })
    for (const { write } of FORMATS) expect(write(report)).toMatch(/\n$/)
    expect(await cycloneDxProblems(write('cyclonedx', report))).toBeNull()
    expect(fileName(report, 'json')).toMatch(/^[\w.-]+\.json$/)
    expect(imagePurl(report)).not.toMatch(/\s/)
  })
})

describe('a part of a report', () => {
  test('has the findings asked for, counts those, and tells how many are hidden', () => {
    const part = selectFindings(sample(), { severity: ['Medium', 'Critical'] })
    expect(part.findings.map(({ id }) => id)).toEqual(['CVE-2021-44228', 'CVE-2020-28500', 'CVE-2023-1'])
    expect(part.summary).toEqual({ Critical: 1, High: 0, Medium: 2, Low: 0, Negligible: 0, Unknown: 0 })
    expect(part.fixable).toBe(2)
    expect(part.filter).toEqual({ severity: ['Critical', 'Medium'], hidden: 3 })
    expect(part.suppressed?.map(({ id }) => id)).toEqual(['CVE-2023-1'])
    expect(part.packages).toEqual(PACKAGES)
    const fixable = selectFindings(sample(), { fixable: true })
    expect(fixable.findings.every(({ fixedVersion }) => fixedVersion)).toBe(true)
    expect(fixable.filter).toEqual({ fixable: true, hidden: 3 })
    expect(JSON.parse(writeJson(fixable)).filter).toEqual({ fixable: true, hidden: 3 })
  })

  test('that is the whole says nothing of a filter', () => {
    expect(selectFindings(sample(), {})).toEqual(sample())
  })
})

describe('SARIF', () => {
  test('fits its published schema, which refuses what is wrong', () => {
    expect(sarifProblems(write('sarif', sample()))).toBeNull()
    expect(sarifProblems(write('sarif', empty()))).toBeNull()
    expect(sarifProblems(write('sarif', sample()).replaceAll('"level": "error"', '"level": "fatal"'))).not.toBeNull()
  })

  test('has a rule for each flaw, rated by its worst finding, and a result for each finding', () => {
    const { tool, results, invocations } = read('sarif').runs[0]
    expect(results).toHaveLength(FINDINGS.length + SUPPRESSED.length)
    for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex].id).toBe(ruleId)
    const scores = Object.fromEntries(
      tool.driver.rules.map((rule: { id: string; properties: object }) => [rule.id, rule.properties]),
    )
    expect(scores['CVE-2020-28500']['security-severity']).toBe('7.5')
    expect(scores['CVE-2021-44228'].tags).toContain('exploited')
    expect(invocations[0].toolExecutionNotifications[0].message.text).toBe('opt/\\[x\\].jar {{cannot}} be read')
  })

  test('keeps suppressed findings as suppressed, and names files by relative URIs', () => {
    const { results } = read('sarif').runs[0]
    expect(results.filter((one: { suppressions?: unknown }) => one.suppressions)).toHaveLength(SUPPRESSED.length)
    expect(results.at(-1).suppressions).toEqual([
      {
        kind: 'external',
        status: 'accepted',
        justification: 'not_affected: the code is not there',
        properties: { source: 'vex.json' },
      },
    ])
    expect(results[2].locations[0].physicalLocation.artifactLocation).toEqual({
      uri: 'app/node_modules/a%20b/node_modules/lodash/package.json',
      uriBaseId: 'ROOT',
    })
    expect(results[1].message.text).toContain('\\[x\\](javascript:1) {{0}}')
  })

  test('gives a finding the same fingerprint before and after an update that did not help', () => {
    const of = (report: Report) => read('sarif', report).runs[0].results[0].partialFingerprints['longshore/v1']
    const [first] = FINDINGS
    const updated = { ...first!, version: '2.14.2', purl: first!.purl.replace('2.14.1', '2.14.2') }
    expect(of(sample({ findings: [updated] }))).toBe(of(sample()))
    expect(of(sample({ findings: [{ ...updated, path: 'elsewhere.jar' }] }))).not.toBe(of(sample()))
  })
})

describe('CycloneDX', () => {
  test('fits the published schema of 1.6, which refuses what is wrong', async () => {
    expect(await cycloneDxProblems(write('cyclonedx', sample()))).toBeNull()
    expect(await cycloneDxProblems(write('cyclonedx', empty()))).toBeNull()
    expect(await cycloneDxProblems(write('cyclonedx', sample()).replace('"container"', '"vessel"'))).not.toBeNull()
  })

  test('names every package once, with its source and its place', () => {
    const bom = read('cyclonedx')
    const libraries = bom.components.filter(({ type }: { type: string }) => type === 'library')
    expect(libraries).toHaveLength(PACKAGES.length)
    const refs = bom.components.map((one: Record<string, string>) => one['bom-ref'])
    expect(new Set(refs).size).toBe(refs.length)
    expect(libraries[0]).toMatchObject({
      name: 'libc6',
      properties: [
        { name: 'aquasecurity:trivy:SrcName', value: 'glibc' },
        { name: 'aquasecurity:trivy:SrcVersion', value: '2.36-9' },
        { name: 'aquasecurity:trivy:LayerDiffID', value: LAYERS[0] },
        { name: 'aquasecurity:trivy:LayerDigest', value: BLOBS[0] },
      ],
      evidence: { occurrences: [{ location: 'var/lib/dpkg/status' }] },
    })
    expect(libraries[2]).toMatchObject({ group: '@babel', name: 'core' })
    expect(libraries[5]).toMatchObject({ group: 'org.apache.logging.log4j', name: 'log4j-core' })
    expect(libraries[6]).toMatchObject({ name: 'golang.org/x/net' })
    expect(bom.metadata.component.purl).toBe(
      `pkg:oci/app@sha256%3A${'d'.repeat(64)}?arch=amd64&repository_url=registry.test:5000%2Fteam%2Fapp&tag=1.0`,
    )
  })

  test('says of each flaw which packages it affects, and what was decided about it', () => {
    const bom = read('cyclonedx')
    const refs = new Set(bom.components.map((one: Record<string, string>) => one['bom-ref']))
    for (const { affects } of bom.vulnerabilities) for (const { ref } of affects) expect(refs).toContain(ref)
    const states = bom.vulnerabilities.map((one: { id: string; analysis?: { state?: string } }) => [
      one.id,
      one.analysis?.state,
    ])
    expect(states).toContainEqual(['CVE-2023-1', undefined])
    expect(states).toContainEqual(['CVE-2023-1', 'not_affected'])
    const [accepted] = bom.vulnerabilities.filter(({ id }: { id: string }) => id === 'CVE-2019-9')
    expect(accepted.analysis.response).toEqual(['will_not_fix'])
    expect(accepted.analysis.detail).toContain('by ann; until 2027-01-01; from .trivyignore')
    expect(bom.vulnerabilities[0].ratings[0].method).toBe('CVSSv31')
    expect(bom.compositions[0].aggregate).toBe('incomplete')
  })

  test('is an SBOM without a time of its own when there are only packages', async () => {
    const { image, digest, platform } = sample()
    const text = writeSbom({ image, digest, platform, gaps: [], packages: PACKAGES })
    expect(await cycloneDxProblems(text)).toBeNull()
    expect(JSON.parse(text)).not.toHaveProperty('vulnerabilities')
    expect(JSON.parse(text).metadata).not.toHaveProperty('timestamp')
    expect(JSON.parse(text).serialNumber).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    )
  })
})

describe('SPDX', () => {
  test('has every field SPDX 2.3 requires, in its form, and none that it does not know', () => {
    expect(spdxProblems(write('spdx', sample()))).toEqual([])
    expect(spdxProblems(write('spdx', empty()))).toEqual([])
    const wrong = read('spdx')
    wrong.packages[2].SPDXID = 'libc6'
    wrong.packages[3].layer = 'x'
    expect(spdxProblems(JSON.stringify(wrong))).toHaveLength(3)
  })

  test('says that the image contains each package, and where the flaws of each are described', () => {
    const document = read('spdx')
    expect(document.relationships).toHaveLength(PACKAGES.length + 2)
    expect(document.packages[1]).toMatchObject({ name: 'debian', versionInfo: '12' })
    expect(document.packages[2].externalRefs).toEqual([
      { referenceCategory: 'PACKAGE-MANAGER', referenceType: 'purl', referenceLocator: PACKAGES[0]!.purl },
      {
        referenceCategory: 'SECURITY',
        referenceType: 'advisory',
        referenceLocator: 'https://security-tracker.debian.org/tracker/CVE-2023-1',
        comment: 'CVE-2023-1',
      },
    ])
    expect(document.packages[2].sourceInfo).toContain('of the source package glibc 2.36-9')
    expect(JSON.stringify(document)).not.toContain('CVE-2019-9')
  })
})

describe('the format of Trivy', () => {
  test('has a result for the OS packages and one for each language or file, as Trivy has', () => {
    const { SchemaVersion, ArtifactType, Metadata, Results } = read('trivy')
    expect([SchemaVersion, ArtifactType]).toEqual([2, 'container_image'])
    expect(Metadata.OS).toEqual({ Family: 'debian', Name: '12' })
    expect(Results.map((one: Record<string, string>) => [one.Class, one.Type, one.Target])).toEqual([
      ['os-pkgs', 'debian', 'registry.test:5000/team/app:1.0 (debian 12)'],
      ['lang-pkgs', 'gobinary', 'usr/bin/tool'],
      ['lang-pkgs', 'jar', 'Java'],
      ['lang-pkgs', 'node-pkg', 'Node.js'],
    ])
    expect(Results.flatMap((one: { Vulnerabilities?: [] }) => one.Vulnerabilities ?? [])).toHaveLength(FINDINGS.length)
    expect(Results.flatMap((one: { Packages: [] }) => one.Packages)).toHaveLength(PACKAGES.length)
  })

  test('has the fields of Trivy and no others', () => {
    expect(trivyProblems(write('trivy', sample()))).toEqual([])
    expect(trivyProblems(write('trivy', empty()))).toEqual([])
    expect(trivyProblems(write('trivy', sample()).replaceAll('"Severity"', '"severity"'))).not.toEqual([])
  })

  test('writes a vulnerability with the names and words of Trivy', () => {
    const [os, , java, node] = read('trivy').Results
    expect(java.Vulnerabilities[0]).toEqual({
      VulnerabilityID: 'CVE-2021-44228',
      VendorIDs: ['GHSA-jfh8-c2jp-5v3q'],
      PkgID: 'org.apache.logging.log4j:log4j-core@2.14.1',
      PkgName: 'org.apache.logging.log4j:log4j-core',
      PkgPath: 'app/lib/log4j-core.jar',
      PkgIdentifier: { PURL: 'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.1' },
      InstalledVersion: '2.14.1',
      FixedVersion: '2.15.0',
      Status: 'fixed',
      Layer: { Digest: BLOBS[1], DiffID: LAYERS[1] },
      SeveritySource: 'ghsa',
      PrimaryURL: 'https://security-tracker.debian.org/tracker/CVE-2021-44228',
      Title: 'CVE-2021-44228 in org.apache.logging.log4j:log4j-core',
      Severity: 'CRITICAL',
      CVSS: { ghsa: { V3Vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', V3Score: 10 } },
      References: ['https://security-tracker.debian.org/tracker/CVE-2021-44228'],
      PublishedDate: '2021-12-10T00:40:56.000Z',
    })
    expect(os.Vulnerabilities.map((one: { Severity: string }) => one.Severity)).toEqual(['MEDIUM', 'LOW'])
    expect(os.Vulnerabilities[0].CVSS.vulnrichment.V40Score).toBe(6.9)
    expect(node.Vulnerabilities[0].CVSS.ghsa.V2Score).toBe(7.5)
    expect(node.ExperimentalModifiedFindings[0]).toMatchObject({
      Type: 'vulnerability',
      Status: 'ignored',
      Source: '.trivyignore',
    })
  })
})

describe('the format of Harbor', () => {
  test('is the vulnerability report of its scanner API, version 1.1', () => {
    expect(FORMATS.find(({ format }) => format === 'harbor')!.contentType).toBe(
      'application/vnd.security.vulnerability.report; version=1.1',
    )
    expect(harborProblems(write('harbor', sample()))).toEqual([])
    expect(harborProblems(write('harbor', empty()))).toEqual([])
    expect(harborProblems(write('harbor', sample()).replaceAll('"Medium"', '"MEDIUM"'))).not.toEqual([])
    const report = read('harbor')
    expect(Object.keys(report)).toEqual([
      'generated_at',
      'artifact',
      'scanner',
      'severity',
      'vulnerabilities',
      'vendor_attributes',
    ])
    expect(report.artifact).toEqual({ repository: 'team/app', digest: sample().digest, tag: '1.0' })
    expect(report.severity).toBe('Critical')
    expect(read('harbor', empty()).severity).toBe('Unknown')
    expect(report.vulnerabilities).toHaveLength(FINDINGS.length)
    for (const one of report.vulnerabilities) {
      expect(one).toMatchObject({
        id: expect.stringMatching(/./),
        package: expect.any(String),
        fix_version: expect.any(String),
      })
      expect(['Unknown', 'Negligible', 'Low', 'Medium', 'High', 'Critical']).toContain(one.severity)
      expect(one.links.every((link: string) => URL.canParse(link))).toBe(true)
    }
    expect(report.vulnerabilities[0].preferred_cvss).toEqual({
      score_v3: 10,
      vector_v3: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H',
    })
    expect(report.vulnerabilities[1].preferred_cvss).toEqual({ score_v2: 7.5, vector_v2: 'AV:N/AC:L/Au:N/C:N/I:N/A:P' })
    expect(report.vulnerabilities[3]).not.toHaveProperty('preferred_cvss')
  })
})

describe('the page', () => {
  const page = write('html', sample())

  test('loads nothing and runs nothing, whatever the texts of an image say', () => {
    expect(page).toContain(`content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;`)
    expect(page).not.toMatch(/<script|<img|<iframe|<link|<object|<form|\son\w+=|url\(|@import|href="(?!https?:)/i)
    expect(page).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;')
    expect(page).not.toMatch(/[\u202a-\u202e\u0000]/)
    expect(page).toContain('href="https://osv.dev/vulnerability/CVE-2020-28500"')
  })

  test('opens and closes every element', () => {
    const open: string[] = []
    for (const [, slash, name] of page.matchAll(/<(\/?)([a-z][a-z0-9]*)[^>]*>/g)) {
      if (['meta', 'input'].includes(name!)) continue
      if (slash) expect(open.pop()).toBe(name)
      else open.push(name!)
    }
    expect(open).toEqual([])
  })

  test('has a row for each finding, a box for each severity there is, and the suppressed apart', () => {
    expect(page.match(/<tr class=/g)).toHaveLength(FINDINGS.length + SUPPRESSED.length)
    expect(page.match(/type="checkbox" id="(\w+)"/g)).toHaveLength(6)
    expect(page.indexOf('<h2>Suppressed</h2>')).toBeGreaterThan(page.indexOf('GO-2023-1988'))
    expect(page).toContain('<h2>Not seen</h2><ul><li>opt/[x].jar {cannot} be read</li></ul>')
    expect(write('html', empty())).toContain('<p>No known vulnerabilities.</p>')
  })
})

describe('CSV', () => {
  /** RFC 4180, section 2. */
  function parse(text: string): string[][] {
    const rows: string[][] = []
    const form = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r\n)/gy
    const row: string[] = []
    for (let match = form.exec(text); match; match = form.exec(text)) {
      row.push(match[1]!.startsWith('"') ? match[1]!.slice(1, -1).replaceAll('""', '"') : match[1]!)
      if (match[2] === '\r\n') rows.push(row.splice(0))
    }
    expect(row).toEqual([])
    expect(rows.map((fields) => fields.length)).toEqual(rows.map(() => rows[0]!.length))
    return rows
  }

  test('is a table as RFC 4180 has it, with a line for each finding', () => {
    const rows = parse(write('csv', sample()))
    expect(rows).toHaveLength(1 + FINDINGS.length + SUPPRESSED.length)
    const column = (name: string, i: number) => rows[i]![rows[0]!.indexOf(name)]
    expect([column('id', 1), column('package', 1), column('exploited', 1), column('score', 1)]).toEqual([
      'CVE-2021-44228',
      'org.apache.logging.log4j:log4j-core',
      'true',
      '10',
    ])
    expect([column('status', 8), column('suppressed', 8)]).toEqual(['not_affected', 'the code is not there'])
  })

  test('says of each line whether the report is whole, and has one without a finding rather than look clean', () => {
    const column = (rows: string[][], name: string) => rows.slice(1).map((row) => row[rows[0]!.indexOf(name)])
    const lines = parse(write('csv', sample()))
    expect(new Set(column(lines, 'coverage'))).toEqual(new Set(['partial']))
    expect(new Set(column(lines, 'gaps'))).toEqual(new Set(['1']))
    expect(parse(write('csv', empty()))).toHaveLength(1)
    for (const coverage of ['partial', 'none'] as const) {
      const rows = parse(write('csv', { ...empty(), coverage, gaps: ['a, b'] }))
      expect([column(rows, 'id'), column(rows, 'severity'), column(rows, 'coverage'), column(rows, 'gaps')]).toEqual([
        [''],
        [''],
        [coverage],
        ['1'],
      ])
    }
  })

  test('holds nothing that a spreadsheet would run', () => {
    const evil = ['=1+1', '+1', '-1', '@SUM(A1)', '\t=1', '\r=1', '＝1', '"=1'].map((title, i) => ({
      ...FINDINGS[0]!,
      id: `CVE-${i}`,
      title,
      package: '@scope/name',
    }))
    const rows = parse(write('csv', sample({ findings: evil, suppressed: [] })))
    for (const field of rows.slice(1).flat()) expect(field).not.toMatch(/^[=+\-@\t\r＝＋－＠]/)
    expect(rows[1]).toContain("'=1+1")
    expect(rows[1]).toContain("'@scope/name")
    expect(write('csv', sample())).not.toContain(HOSTILE)
  })
})
