import { existsSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import semver from 'semver'
import { describe, expect, test } from 'vitest'
import type { LongshoreError } from '../../../lib/errors.ts'
import { compareVersions } from '../../../lib/scan/versions/index.ts'

/** Our own cases for machines without the shared fixtures: each line rises from left to right, `=` are equals. */
const RISING: Record<string, string> = {
  Debian:
    '0~~ 0~ 0 0-1 0+ 1.0~rc1-1 1.0 1.0-0ubuntu1 1.0-1~deb12u1 1.0-1 1.0-1+b1 1.0-1.1 1.0a 1.0+dfsg-1 1.9 1.10 1:0.1',
  Alpine:
    '0.9 1_alpha 1_alpha2 1_beta 1_pre1 1_rc2 1 1-r0 1-r2 1-r10 1_git20200101 1_p1 1a 1.0 1.01 1.02 1.1 1.2 1.10 2',
  'Red Hat': '1.0~rc1-1 1.0-1 1.0-2.el9 1.0-10.el9 1.0^git1-1 1.0a-1 1.0.1-1 1.1-1 1.10-1 1:0.1-1 2:0-1',
  npm: '0.0.1 1.0.0-0 1.0.0-1 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0-rc.1 1.0.0 1.0.1 1.2.0 1.10.0 10.0.0',
  PyPI: '1.0.dev0 1.0a0.dev1 1.0a0 1.0b2 1.0rc1 1.0 1.0+local.a 1.0+local.1 1.0.post0.dev1 1.0.post0 1.0.post1 1.1 1!0.1',
  Maven: '1-alpha-1 1-beta-1 1-milestone-1 1-rc-1 1-SNAPSHOT 1 1-sp 1-foo 1-1 1.1',
  RubyGems: '1.0.a 1.0.a.2 1.0.b1 1.0.rc1 1.0 1.0.1 1.2 1.10 2',
  NuGet: '1.0.0-Alpha 1.0.0-beta 1.0.0-BETA.2 1.0.0 1.0.0.1 1.0.1 1.10.0',
  Packagist: '1.0-dev 1.0-alpha1 1.0-beta1 1.0-RC1 1.0 1.0.1 1.2 1.10',
  CRAN: '0.1-2 0.1.3 0.2 0.2.0 0.10 1.0-0',
  Hackage: '0.1 0.1.0 0.1.0.1 0.2 0.10 1',
}
const EQUAL: [ecosystem: string, a: string, b: string][] = [
  ['Debian', '1.0-0', '0:1.0'],
  ['Debian:12', '1.01', '1.1'],
  ['Alpine:v3.18', '1-r1', '1-r01'],
  ['Red Hat', '1.0001', '1.1'],
  ['npm', 'v1.2.3+linux', '1.2.3+darwin'],
  ['npm', '1', '1.0.0'],
  ['PyPI', '1.0-alpha1', '1.0A1'],
  ['Maven', '1.0.0', '1-ga'],
  ['RubyGems', '1.0.0', '1'],
  ['NuGet', '1.0.0-BETA', '1.0-beta'],
  ['Packagist', 'v1.0.0-beta2', '1.0.0-b2'],
  ['Maven', '9.4.8.v20171121', '9.4.8v20171121'],
  ['Maven', '1-ga-1', '1-1'],
  // PHP's own answer is that each is lower than itself.
  ['Packagist', '1.0.', '1.0.'],
  ['Packagist', '1.0-alpha-', '1.0-alpha-'],
  ['Packagist', '.', '.'],
]

/** Found by asking the tools themselves; each was once decided otherwise here. */
const FOUND: [ecosystem: string, lower: string, higher: string][] = [
  ['Alpine', '4.2.8p9-r0', '4.2.8p10-r0'],
  ['Alpine', '1.8.20p2-r9', '1.8.20p2-r10'],
  ['Alpine', '1.18-r3', '1.18.-r2'],
  ['Maven', '9.0.0.M0', '9.0.0-M11'],
  ['Maven', '1.5.9-RC0', '1.5.9.RC1'],
  ['Maven', '14.0.1-h-1', '14.0.1--h-1'],
  ['Packagist', '1.0.', '1.0'],
  ['Packagist', '1.0~beta1', '1.0'],
  ['Packagist', '1.0.', '1.0.x'],
  ['Packagist', '1.0.', '1.0.dev'],
  ['Packagist', '1.0.', '1.0.5'],
  ['Packagist', '1.0.', '1.0-p1'],
  ['Red Hat', '1.0-14.el8', '1.0-4-1.el8'],
  ['Pub', '1.2.3', '1.2.3+1'],
  ['Pub', '1.2.3+9', '1.2.3+10'],
  ['Pub', '1.2.3+900', '1.2.3+a'],
  ['TuxCare:npm', '1.0.0-a', '1.0.0'],
  ['Echo:PyPI', '1.0rc1', '1.0'],
  ['Root:Alpine:3.18', '1.2-r9', '1.2-r10007'],
]
test.each(FOUND)('%s: %s is lower than %s', (ecosystem, lower, higher) => {
  expect([compareVersions(ecosystem, lower, higher), compareVersions(ecosystem, higher, lower)]).toEqual([-1, 1])
})

describe.each(Object.entries(RISING))('%s', (ecosystem, line) => {
  const versions = line.split(' ')
  test('each version is lower than every later one, both ways round', () => {
    for (const [i, a] of versions.entries())
      for (const [j, b] of versions.entries())
        expect(`${a} ${compareVersions(ecosystem, a, b)} ${b}`).toBe(`${a} ${Math.sign(i - j)} ${b}`)
  })
})

test.each(EQUAL)('%s: %s equals %s', (ecosystem, a, b) => {
  expect([compareVersions(ecosystem, a, b), compareVersions(ecosystem, b, a)].map(Math.abs)).toEqual([0, 0])
})

describe('ecosystem names', () => {
  test.each([
    'Debian:12',
    'debian',
    'Ubuntu:22.04:LTS',
    'Ubuntu:Pro:18.04:LTS',
    'Alpine:v3.18',
    'Wolfi',
    'Chainguard',
    'Red Hat:enterprise_linux:9::baseos',
    'Rocky Linux:9',
    'AlmaLinux:9',
    'openSUSE:Leap 15.5',
    'SUSE:Linux Enterprise Server 15 SP5',
    'Go',
    'crates.io',
    'Pub',
    'Hex',
    'Maven:https://repo1.maven.org/maven2',
  ])('%s is taken with its release suffix ignored', (name) => {
    expect(compareVersions(name, '1.2', '1.10')).toBe(-1)
  })

  test.each(['', 'Plan9', '__proto__', 'constructor', ':12'])('"%s" is refused by a coded error', (name) => {
    expect(() => compareVersions(name, '1', '2')).toThrow(
      expect.objectContaining({ code: 'invalid-value' }) as LongshoreError,
    )
  })
})

const SHARED = '../shared/vulndata/versions'
const FILES: [file: string, ecosystem: string][] = [
  ['debian', 'Debian:12'],
  ['alpine', 'Alpine:v3.18'],
  ['semver', 'npm'],
  ['redhat', 'Red Hat:enterprise_linux:9'],
  ['pypi', 'PyPI'],
  ['maven', 'Maven'],
  ['rubygems', 'RubyGems'],
  ['nuget', 'NuGet'],
  ['packagist', 'Packagist'],
  ['cran', 'CRAN'],
]
const SIGNS: Record<string, number> = { '<': -1, '=': 0, '>': 1 }

describe.runIf(existsSync(SHARED))('the shared fixtures', () => {
  test.each(FILES)('every line of %s', (file, ecosystem) => {
    const wrong: string[] = []
    let lines = 0
    for (const line of readFileSync(`${SHARED}/${file}-versions.txt`, 'utf8').split('\n')) {
      if (line.trim() === '' || /^(#|\/\/)/.test(line)) continue
      const [a, sign, b] = line.trim().split(' ') as [string, string, string]
      lines++
      const found = compareVersions(ecosystem, a, b)
      if (found !== SIGNS[sign] || compareVersions(ecosystem, b, a) + found !== 0) wrong.push(`${line}: ${found}`)
    }
    expect(wrong).toEqual([])
    expect(lines).toBeGreaterThan(15)
  })
})

/** Version-like noise: pieces that real versions are made of, in any order. */
const pieces = (words: string[]) =>
  fc
    .array(fc.oneof(fc.constantFrom(...words), fc.integer({ min: 0, max: 12 }).map(String)), { maxLength: 7 })
    .map((parts) => parts.join(''))

// PHP's `#` stands for any number, so no order can hold it (`1 < 2`, both equal to `#`): it is left out on purpose.
const NOISE: [ecosystem: string, words: string[]][] = [
  ['Debian', ['.', '-', '+', '~', ':', 'a', 'b1', 'deb12u1', 'Z']],
  ['Alpine', ['.', '-r', '_p', '_rc', '_git', 'a', 'z', '0', '00', '-', '~ab', 'X']],
  ['Red Hat', ['.', '-', '~', '^', ':', 'a', 'el9', '_', 'β']],
  ['npm', ['.', '-', '+', 'v', 'alpha', 'x']],
  ['Pub', ['.', '-', '+', 'v', 'alpha']],
  ['NuGet', ['.', '-', '+', 'Alpha', 'alpha']],
  ['PyPI', ['.', '-', '!', '+', 'a', 'rc', '.post', '.dev', 'x']],
  ['RubyGems', ['.', '-', 'a', 'rc', 'pre']],
  ['CRAN', ['.', '-']],
  ['Hackage', ['.', '-']],
  ['Packagist', ['.', '-', '_', '+', 'v', 'dev', 'alpha', 'b', 'RC', 'p', 'x', '~']],
  ['Go', ['.', '-', '+', 'v', 'alpha', '0.20190101000000-abcdef']],
  ['crates.io', ['.', '-', '+', 'alpha', 'x']],
  ['Hex', ['.', '-', '+', 'rc', 'x']],
]

/**
 * Maven's own order is not one for all text: what a hyphen opens is a list, and above every word because it is one
 * (`1.x`), but below the release when it begins with `rc` or with nothing (`0rc`). So numbers from 1, words that say
 * something, and words only where they open a list.
 */
const mavenVersions = fc
  .array(fc.constantFrom('.1', '.2', '.10', '-1', '-2', '-alpha', '-beta2', '-rc', '-rc1', '-sp', '-x', 'a1', 'z'), {
    maxLength: 5,
  })
  .map((parts) => `1${parts.join('')}`)

const ORDERS: [ecosystem: string, version: fc.Arbitrary<string>][] = [
  ...NOISE.map(([ecosystem, words]) => [ecosystem, pieces(words)] as [string, fc.Arbitrary<string>]),
  ['Maven', mavenVersions],
]

describe.each(ORDERS)('%s is a total order over noise', (ecosystem, version) => {
  const le = (a: string, b: string) => compareVersions(ecosystem, a, b) <= 0
  test('antisymmetric and transitive', () => {
    fc.assert(
      fc.property(version, version, version, (a, b, c) => {
        expect(compareVersions(ecosystem, a, a)).toBe(0)
        expect(compareVersions(ecosystem, a, b) + compareVersions(ecosystem, b, a)).toBe(0)
        if (le(a, b) && le(b, c)) expect(le(a, c)).toBe(true)
      }),
      { numRuns: 3000, seed: 7 },
    )
  })
})

test.each(Object.keys(RISING))('%s compares any two versions of 256 characters in no time', (ecosystem) => {
  const units = [
    '1',
    '0',
    'a',
    '.',
    '-',
    '~',
    '^',
    '_',
    ' ',
    '1-a',
    'a1',
    '1.',
    '.0',
    '-0',
    '1~',
    '.dev1',
    'rc1',
    '-ga',
    '1!',
  ]
  const began = performance.now()
  for (const unit of units)
    for (const start of ['', '1.0-', '1:']) {
      const version = (start + unit.repeat(256)).slice(0, 255)
      for (const [a, b] of [
        ['1', '1'],
        ['1', '!'],
        ['2', '1'],
      ])
        compareVersions(ecosystem, version + a, version + b)
    }
  // 171 comparisons take 5 to 20 ms.
  expect(performance.now() - began).toBeLessThan(2_000)
})

test('npm agrees with the semver package', () => {
  const identifier = fc.oneof(fc.nat(30).map(String), fc.stringMatching(/^[a-zA-Z-][a-zA-Z0-9-]{0,3}$/))
  const version = fc
    .tuple(fc.array(fc.nat(20), { minLength: 3, maxLength: 3 }), fc.array(identifier, { maxLength: 3 }))
    .map(([numbers, identifiers]) => numbers.join('.') + (identifiers.length ? `-${identifiers.join('.')}` : ''))
  fc.assert(
    fc.property(version, version, (a, b) => {
      expect(compareVersions('npm', a, b)).toBe(semver.compare(a, b))
    }),
    { numRuns: 2000, seed: 7 },
  )
})
