/** The evaluation of the OSV schema, case by case: https://ossf.github.io/osv-schema/#evaluation */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { AdvisoryMatch, OsvEvent } from '../../lib/advisories/index.ts'
import { affectedBy } from '../../lib/scan/affected.ts'
import { comparatorOf } from '../../lib/scan/versions/index.ts'

const KINDS: Record<string, OsvEvent['kind']> = { i: 'introduced', f: 'fixed', l: 'last_affected', m: 'limit' }

/** `i0 f2 i3 | i5`: ranges of events; `= 1 2`: listed versions. */
function match(text: string): AdvisoryMatch {
  const [ranges = '', listed = ''] = text.split('=')
  return {
    id: 'X',
    versions: listed.trim() ? listed.trim().split(' ') : [],
    ranges: ranges.trim()
      ? ranges.split('|').map((range) => ({
          semver: false,
          events: range
            .trim()
            .split(' ')
            .map((event) => ({ kind: KINDS[event[0]!]!, version: event.slice(1) })),
        }))
      : [],
  }
}

const judge = (record: string, version: string, ecosystem = 'npm') => {
  const found = affectedBy(match(record), version, comparatorOf(ecosystem)!)
  return found ? (found.fixedVersion ?? 'no fix') : 'not affected'
}

describe('a version is affected', () => {
  test.each<[record: string, verdicts: Record<string, string>]>([
    ['i0 f2.0.0', { '0.0.0-alpha': '2.0.0', '1.9.9': '2.0.0', '2.0.0-rc.1': '2.0.0', '2.0.0': 'not affected' }],
    ['i1.0.0', { '0.9.9': 'not affected', '1.0.0': 'no fix', '99.0.0': 'no fix' }],
    ['i1.0.0 l1.5.0', { '1.0.0': 'no fix', '1.5.0': 'no fix', '1.5.1': 'not affected' }],
    [
      'i0 f1.0.0 i2.0.0 f2.1.0',
      { '0.5.0': '1.0.0', '1.0.0': 'not affected', '2.0.5': '2.1.0', '2.1.0': 'not affected' },
    ],
    // Events in any order.
    ['f2.1.0 i2.0.0 f1.0.0 i0', { '0.5.0': '1.0.0', '1.5.0': 'not affected', '2.0.5': '2.1.0' }],
    // What is fixed comes back in the same version.
    ['i2.0.0 f3.0.0 i0 f2.0.0', { '1.0.0': '3.0.0', '2.0.0': '3.0.0', '2.5.0': '3.0.0', '3.0.0': 'not affected' }],
    // A range of nothing.
    ['i2.0.0 f2.0.0', { '1.0.0': 'not affected', '2.0.0': 'not affected', '3.0.0': 'not affected' }],
    ['i0 f0', { '0.0.0': 'not affected', '1.0.0': 'not affected' }],
    ['i1.0.0 l1.0.0', { '0.9.0': 'not affected', '1.0.0': 'no fix', '1.0.1': 'not affected' }],
    ['i1.0.0 l2.0.0 i3.0.0 f3.1.0', { '2.0.0': '3.1.0', '2.5.0': 'not affected', '3.0.0': '3.1.0' }],
    ['i1.0.0 m2.0.0', { '1.5.0': 'no fix', '2.0.0': 'not affected' }],
    ['i1.0.0 m*', { '1.5.0': 'no fix', '9.0.0': 'no fix' }],
    // Below any of the limits is below the limits.
    ['i1.0.0 m2.0.0 m4.0.0', { '3.0.0': 'no fix', '4.0.0': 'not affected' }],
    [
      'i1.0.0 f1.2.0 | i1.1.0 f1.4.0',
      { '1.0.5': '1.4.0', '1.1.5': '1.4.0', '1.3.0': '1.4.0', '1.4.0': 'not affected' },
    ],
    // A fix where the next range begins is none.
    [
      'i2.4.0 f2.5.0 | i2.5.0 f2.6.0 | i2.6.0 f2.6.12',
      { '2.4.0': '2.6.12', '2.5.0': '2.6.12', '2.6.12': 'not affected' },
    ],
    ['i0 f1.0.0 | i1.0.0 l1.5.0', { '0.5.0': 'no fix', '1.2.0': 'no fix', '1.5.1': 'not affected' }],
    ['i0 f1.0.0 | i0', { '0.5.0': 'no fix', '2.0.0': 'no fix' }],
    // PYSEC-2021-114.
    [
      'i2.11.0 f2.11.7 i0 f2.11.6 i2.12.0 f2.12.4 = 2.11.6',
      { '2.10.0': '2.11.7', '2.11.6': 'no fix', '2.11.7': 'not affected' },
    ],
    ['i0 f1.0.0 = 1.0.0', { '0.5.0': 'no fix', '1.0.0': 'no fix', '1.0.1': 'not affected' }],
    ['i0 f1.0.0 | i5.0.0', { '0.5.0': '1.0.0', '3.0.0': 'not affected', '6.0.0': 'no fix' }],
    ['= 1.0.0 1.1.0', { '1.0.0': 'no fix', '1.1.0': 'no fix', '1.2.0': 'not affected', 'v1.1.0': 'no fix' }],
    // A list beside ranges adds to them.
    ['i2.0.0 f3.0.0 = 1.0.0', { '1.0.0': 'no fix', '1.0.1': 'not affected', '2.5.0': '3.0.0' }],
  ])('by "%s"', (record, verdicts) => {
    for (const [version, verdict] of Object.entries(verdicts))
      expect([version, judge(record, version)]).toEqual([version, verdict])
  })

  test.each([
    ['Debian:12', 'i0 f1:1.2-3+deb12u1', '2.0-1', '1:1.2-3+deb12u1'],
    ['Debian:12', 'i0 f1.2-3+deb12u1', '1.2-3+deb12u1~bpo11+1', '1.2-3+deb12u1'],
    ['Debian:12', 'i0 f1.2-3', '1.2-3+b1', 'not affected'],
    ['Alpine:v3.19', 'i0 f3.1.4-r6', '3.1.4-r5', '3.1.4-r6'],
    ['Red Hat:enterprise_linux:9::baseos', 'i0 f1:3.0.7-25.el9_3', '1:3.0.7-6.el9_2', '1:3.0.7-25.el9_3'],
    ['PyPI', 'i0 f2.0', '2.0rc1', '2.0'],
    ['PyPI', '= 1.0', '1.0.0', 'no fix'],
    ['Maven', 'i2.0-beta9 f2.15.0', '2.0-beta8', 'not affected'],
    ['Maven', 'i2.0-beta9 f2.15.0', '2.14.1', '2.15.0'],
    ['Go', 'i0 f1.19.9 i1.20.0-0 f1.20.4', '1.20.3', '1.20.4'],
    [
      'Go',
      'i0 f0.0.0-20220101000000-abcdefabcdef',
      '0.0.0-20211231000000-ffffffffffff',
      '0.0.0-20220101000000-abcdefabcdef',
    ],
    ['RubyGems', 'i0 f5.2.4.3', '5.2.4.2', '5.2.4.3'],
    ['Packagist', 'i0 f4.4.1', 'v4.4.1-BETA1', '4.4.1'],
    ['NuGet', 'i0 f4.3.1', '4.3.0.1', '4.3.1'],
  ])('in %s by "%s": %s', (ecosystem, record, version, verdict) => {
    expect(judge(record, version, ecosystem)).toBe(verdict)
  })
})

test('a fix that is told is not affected itself, by any range', () => {
  const version = fc.tuple(fc.nat(4), fc.nat(2)).map(([major, minor]) => `${major}.${minor}.0`)
  const event = fc.tuple(fc.constantFrom('i', 'f', 'l'), version).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.array(event, { minLength: 1, maxLength: 6 }), version, (events, installed) => {
      const verdict = judge(events.join(' '), installed)
      for (const record of [events.join(' '), events.join(' | ')]) {
        const told = judge(record, installed)
        if (/^\d/.test(told)) expect([record, told, judge(record, told)]).toEqual([record, told, 'not affected'])
      }
      // The order of events means nothing, but for pairs that hold no version.
      if (new Set(events.map((one) => one.slice(1))).size === events.length)
        expect(judge([...events].reverse().join(' '), installed)).toBe(verdict)
    }),
    { numRuns: 2_000, seed: 4 },
  )
})

describe('versions that are safe although a range holds them', () => {
  const judged = (safe: string[][], version: string, ranges = 'i0', ecosystem = 'RubyGems') => {
    const found = affectedBy({ ...match(ranges), safe }, version, comparatorOf(ecosystem)!)
    return found ? (found.fixedVersion ?? 'no fix') : 'not affected'
  }
  const RACK = [['>=2.1.4', '<2.2.a'], ['>=2.2.3'], ['<1.0']]

  test.each([
    ['0.9', 'not affected'],
    ['1.0', '2.1.4'],
    ['2.1.3', '2.1.4'],
    ['2.1.4', 'not affected'],
    ['2.1.9', 'not affected'],
    ['2.2.0.rc1', '2.2.3'],
    ['2.2.2', '2.2.3'],
    ['2.2.3', 'not affected'],
    ['3.0', 'not affected'],
  ])('%s is %s', (version, expected) => {
    expect(judged(RACK, version)).toBe(expected)
  })

  test('may touch each other, and end where they say, exactly', () => {
    const touching = [
      ['>=1', '<2'],
      ['>=2', '<3'],
    ]
    expect([judged(touching, '1.5'), judged(touching, '2'), judged(touching, '3')]).toEqual([
      'not affected',
      'not affected',
      'no fix',
    ])
    expect([judged([['>1']], '1'), judged([['>1']], '1.0.1'), judged([['<=1']], '1')]).toEqual([
      'no fix',
      'not affected',
      'not affected',
    ])
    expect([judged([['=1.5']], '1.5.0'), judged([['=1.5']], '1.4'), judged([['nonsense']], '1')]).toEqual([
      'not affected',
      '1.5',
      'no fix',
    ])
  })

  test('the fix that a range names goes first', () => {
    expect(judged([['>=1.5']], '1.0', 'i0 f1.4')).toBe('1.4')
  })
})
