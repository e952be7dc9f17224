import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { cvssScore, severityOfScore, severityOfWord } from '../../lib/scan/severity.ts'

describe('base scores', () => {
  // Examples of the specifications and of well-known CVEs.
  test.each([
    ['AV:N/AC:L/Au:N/C:N/I:N/A:C', 7.8],
    ['AV:N/AC:L/Au:N/C:C/I:C/A:C', 10],
    ['AV:L/AC:H/Au:N/C:C/I:C/A:C', 6.2],
    ['AV:N/AC:L/Au:N/C:N/I:N/A:N', 0],
    ['(AV:N/AC:M/Au:N/C:N/I:P/A:N)', 4.3],
    ['CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', 10],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', 9.8],
    ['CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N', 0],
    ['CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N/E:U/RL:O/RC:C', 3.1],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H', 10],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N', 6.9],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N', 0],
    ['CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 7.3],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N/E:U', 6.6],
  ])('%s is %s', (vector, score) => {
    expect(cvssScore(vector)).toBe(score)
  })

  test.each([
    '',
    'HIGH',
    'CVSS:3.1',
    'CVSS:3.1/AV:N',
    'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:X',
    'CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:5.0/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H/E:Q',
    'AV:N/AC:L/Au:N/C:N/I:N/A:__proto__',
    '__proto__:N/constructor:L',
    'CVSS:3.1/'.repeat(1000),
  ])('"%s" is no vector', (vector) => {
    expect(cvssScore(vector)).toBeUndefined()
  })

  test('every possible v4.0 base vector has a score from 0 to 10 that falls when one metric gets milder', () => {
    const values: [string, string][] = [
      ['AV', 'NALP'],
      ['AC', 'LH'],
      ['AT', 'NP'],
      ['PR', 'NLH'],
      ['UI', 'NPA'],
      ['VC', 'HLN'],
      ['VI', 'HN'],
      ['VA', 'HN'],
      ['SC', 'HL'],
      ['SI', 'HN'],
      ['SA', 'LN'],
    ]
    const vectors = values.reduce<string[]>(
      (all, [metric, allowed]) => all.flatMap((prefix) => [...allowed].map((value) => `${prefix}/${metric}:${value}`)),
      ['CVSS:4.0'],
    )
    for (const vector of vectors) {
      const score = cvssScore(vector)!
      if (!(score >= 0 && score <= 10)) throw new Error(`${vector} has ${score}`)
      const milder = cvssScore(vector.replace('/AV:N', '/AV:L'))!
      if (milder > score) throw new Error(`${vector} has ${score}, locally ${milder}`)
    }
    expect(vectors.length).toBeGreaterThan(10_000)
  })
})

test('scores become words as FIRST rates them', () => {
  expect([0, 0.1, 3.9, 4, 6.9, 7, 8.9, 9, 10].map(severityOfScore)).toEqual([
    'Negligible',
    'Low',
    'Low',
    'Medium',
    'Medium',
    'High',
    'High',
    'Critical',
    'Critical',
  ])
  expect(['MODERATE', 'important', 'unimportant', 'not yet assigned', 'constructor'].map(severityOfWord)).toEqual([
    'Medium',
    'High',
    'Negligible',
    undefined,
    undefined,
  ])
})

const SHARED = '../shared/vulndata/severity/cve-cvss-vulnrichment.csv.gz'
test.runIf(existsSync(SHARED))(
  'the shared vectors give the listed scores, but where the list contradicts itself',
  () => {
    const rows = gunzipSync(readFileSync(SHARED)).toString('utf8').trim().split('\n').slice(1)
    const odd = rows
      .map((row) => row.split(','))
      .filter(([, vector, score]) => cvssScore(vector!) !== Number(score))
      .map(([, vector]) => vector!)
    // 250 list the temporal score as the base score; most others are GitHub's of S:C vectors, a tenth above the formula
    // that other rows of the very same vector agree with. A vector cannot have both scores.
    const temporal = odd.filter((vector) => /\/E:/.test(vector)).length
    expect([rows.length, odd.length, temporal]).toEqual([32_762, 374, 250])
  },
)
