import { existsSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readEnrichment } from '../../lib/advisories/enrichment.ts'
import { defaultLimits } from '../../lib/config.ts'
import { cvssScore, scoreOf, severityOfScore, severityOfWord } from '../../lib/scan/severity.ts'

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

const SHARED = '../shared/vulndata'
describe.runIf(existsSync(`${SHARED}/severity`))('the 32,762 shared vectors', () => {
  const rows = () =>
    gunzipSync(readFileSync(`${SHARED}/severity/cve-cvss-vulnrichment.csv.gz`))
      .toString('utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((row) => row.split(',') as [cve: string, vector: string, score: string])

  test('give each CVE the score that is listed for it', async () => {
    const { severities } = await readEnrichment(SHARED, defaultLimits)
    const wrong = rows().filter(([cve, , score]) => scoreOf(severities.get(cve)!) !== Number(score))
    expect([severities.size, wrong]).toEqual([32_762, []])
  })

  /** Of temporal metrics (v3.1, section 7.2); what says nothing is 1. */
  const TEMPORAL: Record<string, number> = {
    'E:U': 0.91,
    'E:P': 0.94,
    'E:F': 0.97,
    'RL:O': 0.95,
    'RL:T': 0.96,
    'RL:W': 0.97,
    'RC:U': 0.92,
    'RC:R': 0.96,
  }
  const temporalScore = (vector: string) => {
    const factor = vector.split('/').reduce((product, metric) => product * (TEMPORAL[metric] ?? 1), 1)
    return Math.ceil(Math.round(cvssScore(vector)! * factor * 100_000) / 10_000) / 10
  }

  test('are scored by the specification; where the list says otherwise no function of the vector could agree', () => {
    const all = rows()
    const listed = new Map<string, Set<string>>()
    for (const [, vector, score] of all) listed.set(vector, (listed.get(vector) ?? new Set()).add(score))
    const odd = all.filter(([, vector, score]) => cvssScore(vector) !== Number(score))
    const temporal = odd.filter(([, vector, score]) => temporalScore(vector) === Number(score))
    const rest = odd.filter((row) => !temporal.includes(row))
    const contradicted = rest.filter(([, vector]) => listed.get(vector)!.size > 1)
    const single = rest.filter((row) => !contradicted.includes(row))
    // 246 list the temporal score, while 2,096 other rows with temporal metrics list the base score. 120 have a vector
    // that other rows list with the score of the formula; mostly GitHub's, a tenth too high. The others stand alone.
    expect([all.length, odd.length, temporal.length, contradicted.length]).toEqual([32_762, 374, 246, 120])
    expect(single.map(([cve]) => cve).join(' ')).toBe(
      'CVE-2023-38497 CVE-2023-44154 CVE-2023-46743 CVE-2024-32465 CVE-2024-33509 CVE-2024-38526 CVE-2024-45323 CVE-2024-8642',
    )
  })
})
