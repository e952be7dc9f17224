import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { countsOf } from '../../../lib/report/select.ts'
import { applyExceptions } from '../../../lib/scan/exceptions/apply.ts'
import type { ExceptionRule } from '../../../lib/scan/exceptions/model.ts'
import { FINDINGS, sample } from '../../report/sample.ts'

const NOW = Date.parse('2026-11-22T12:00:00Z')
const REPORT = sample({ suppressed: undefined as never })

const rule = (more: Partial<ExceptionRule>): ExceptionRule => ({
  ids: ['CVE-2020-28500'],
  decision: 'ignored',
  reason: 'accepted',
  source: 'test',
  ...more,
})
const suppressedBy = (...rules: ExceptionRule[]) =>
  (applyExceptions(REPORT, rules, NOW).suppressed ?? []).map(({ id, path }) => `${id} ${path}`)

const BOTH = FINDINGS.filter(({ id }) => id === 'CVE-2020-28500').map(({ id, path }) => `${id} ${path}`)

describe('an exception', () => {
  test('moves what it covers to the suppressed findings, with its reason, and takes it out of the numbers', () => {
    const after = applyExceptions(REPORT, [rule({ author: 'ann', expires: '2026-11-23' })], NOW)
    expect(after.findings).toEqual(FINDINGS.filter(({ id }) => id !== 'CVE-2020-28500'))
    expect(after.suppressed).toHaveLength(2)
    expect(after.suppressed![0]).toEqual({
      ...FINDINGS[1],
      suppression: { status: 'ignored', reason: 'accepted', author: 'ann', expires: '2026-11-23', source: 'test' },
    })
    expect(after).toMatchObject(countsOf(after.findings))
    expect(after.summary.High).toBe(REPORT.summary.High - 1)
    expect(after.packages).toEqual(REPORT.packages)
  })

  test('is not there once it has expired, to the millisecond, nor when its end cannot be read', () => {
    expect(suppressedBy(rule({ expires: '2026-11-22T12:00:00.001Z' }))).toEqual(BOTH)
    for (const expires of [
      '2026-11-22T12:00:00Z',
      '2026-11-22',
      '2020-01-01',
      'never',
      '2026-13-45',
      '99999',
      '270131',
      'tbd-2099',
    ])
      expect(suppressedBy(rule({ expires }))).toEqual([])
  })

  test('means a flaw by any of its ids, in either case', () => {
    expect(suppressedBy(rule({ ids: ['ghsa-jfh8-c2jp-5v3q'] }))).toEqual(['CVE-2021-44228 app/lib/log4j-core.jar'])
    expect(suppressedBy(rule({ ids: ['CVE-2020'] }))).toEqual([])
  })

  test.each([
    ['lodash', 2],
    ['lodas', 0],
    ['pkg:npm/lodash', 2],
    ['pkg:npm/lodash@4.17.20', 2],
    ['pkg:npm/lodash@4.17.21', 0],
    ['pkg:npm/lodash?arch=amd64', 0],
    ['pkg:pypi/lodash', 0],
    ['pkg:npm/%', 0],
  ])('of the package %s covers %i findings', (name, count) => {
    expect(suppressedBy(rule({ packages: [name] }))).toHaveLength(count)
  })

  test('of a package URL of the OS covers it in any release, or in the one it names', () => {
    const of = (purl: string) => suppressedBy(rule({ ids: ['CVE-2023-1'], packages: [purl] })).length
    expect(of('pkg:deb/debian/libc6')).toBe(1)
    expect(of('pkg:deb/debian/libc6?distro=debian-12')).toBe(1)
    expect(of('pkg:deb/debian/libc6?distro=debian-11')).toBe(0)
    expect(of('pkg:deb/ubuntu/libc6')).toBe(0)
  })

  test.each([
    ['app/node_modules/lodash/package.json', 1],
    ['**/lodash/package.json', 2],
    ['app/**', 2],
    ['app/*', 0],
    ['**/app/**', 2],
  ])('of the paths %s covers %i findings', (pattern, count) => {
    expect(suppressedBy(rule({ paths: [pattern] }))).toHaveLength(count)
  })

  test.each([
    ['registry.test:5000/team/app:1.0', true],
    ['registry.test:5000/team/app', true],
    ['registry.test:5000/team/*', true],
    ['registry.test:5000/*', false],
    ['registry.test:5000/**', true],
    ['**/app:1.*', true],
    ['**', true],
    ['registry.test:5000/team/app:2.0', false],
    ['other.test/team/app', false],
    ['team/app', false],
    [`registry.test:5000/team/app@sha256:${'d'.repeat(64)}`, true],
    [`registry.test:5000/team/app@sha256:${'e'.repeat(64)}`, false],
    [`sha256:${'d'.repeat(64)}`, true],
    [`pkg:oci/app@sha256:${'d'.repeat(64)}`, true],
    [`pkg:oci/app@sha256%3A${'d'.repeat(64)}?repository_url=registry.test:5000%2Fteam%2Fapp`, true],
    [`pkg:oci/app@sha256%3A${'d'.repeat(64)}?repository_url=registry.test:5000/team`, true],
    [`pkg:oci/app@sha256%3A${'e'.repeat(64)}`, false],
    ['pkg:oci/app?repository_url=evil.test/team/app', false],
    ['pkg:oci/other', false],
    ['pkg:maven/org.apache.logging.log4j/log4j-core', true],
    ['pkg:maven/org.apache.logging.log4j/log4j-api', false],
  ])('within %s: %s', (within, expected) => {
    expect(suppressedBy(rule({ within: [within] })).length > 0).toBe(expected)
  })

  test('of Docker Hub is written with or without the parts people leave out', () => {
    const hub = sample({ image: 'alpine', suppressed: undefined as never })
    for (const within of ['docker.io/library/alpine', 'docker.io/library/alpine:latest', 'docker.io/**', 'alpine'])
      expect(applyExceptions(hub, [rule({ within: [within] })], NOW).suppressed).toHaveLength(2)
  })

  test('that stands first decides: a statement that it is affected takes back what follows', () => {
    const keep = rule({ decision: 'affected', packages: ['pkg:npm/lodash'], paths: ['app/node_modules/lodash/*'] })
    expect(suppressedBy(keep, rule({}))).toEqual([BOTH[1]])
    expect(suppressedBy(rule({}), keep)).toEqual(BOTH)
  })

  test('that covers nothing leaves the report as it is', () => {
    expect(applyExceptions(REPORT, [rule({ ids: ['CVE-1'] }), rule({ packages: ['nothing'] })], NOW)).toEqual(REPORT)
    expect(applyExceptions(REPORT, [], NOW)).toBe(REPORT)
  })

  test('costs little among ten thousand others', () => {
    const rules = Array.from({ length: 10_000 }, (_, i) =>
      rule({ ids: [`CVE-1999-${i}`], within: ['registry.test:5000/**'] }),
    )
    const begun = process.cpuUsage()
    expect(suppressedBy(...rules, rule({}))).toEqual(BOTH)
    expect(process.cpuUsage(begun).user / 1000).toBeLessThan(1_000)
  })

  test('loses no finding and makes none, whatever the rules are', () => {
    const some = <T>(...values: T[]) => fc.option(fc.subarray(values, { minLength: 1 }), { nil: undefined })
    const rules = fc.array(
      fc.record(
        {
          ids: fc.subarray([...new Set(FINDINGS.flatMap(({ id, aliases }) => [id, ...aliases]))]),
          within: some('**', 'other.test/**', REPORT.digest, 'pkg:oci/app'),
          packages: some('lodash', 'pkg:npm/lodash', 'pkg:deb/debian/libc6', 'none'),
          paths: some('**', 'app/**', 'none'),
          decision: fc.constantFrom('ignored' as const, 'not_affected' as const, 'fixed' as const, 'affected' as const),
          expires: some('2020-01-01', '2030-01-01').map((days) => days?.[0]),
        },
        { requiredKeys: ['ids', 'decision'] },
      ),
    )
    fc.assert(
      fc.property(rules, (list) => {
        const given = list.map((one) => rule(JSON.parse(JSON.stringify(one))))
        const after = applyExceptions(REPORT, given, NOW)
        const back = (after.suppressed ?? []).map(({ suppression: _, ...found }) => found)
        const key = (found: object) => JSON.stringify(found)
        expect([...after.findings, ...back].map(key).sort()).toEqual(FINDINGS.map(key).sort())
        expect(after).toMatchObject(countsOf(after.findings))
        // Again changes nothing: what is suppressed stays so, what is not is covered by no rule.
        expect(applyExceptions(after, given, NOW)).toEqual(after)
      }),
      { numRuns: 300, seed: 9 },
    )
  })
})
