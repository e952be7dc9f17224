/** Every tool that orders versions itself and is on this machine decides thousands of pairs, and we decide the same. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { directorySource } from '../../lib/advisories/index.ts'
import { readRecord } from '../../lib/advisories/intake.ts'
import { defaultLimits } from '../../lib/config.ts'
import { compareVersions } from '../../lib/scan/versions/index.ts'
import { here, JUDGES, type Judge, judged, type Pair } from './version-judges.ts'

/** Records of OSV, where somebody has put them beside this repository. */
const RECORDS = fileURLToPath(new URL('../../../shared/vulndata/osv', import.meta.url))
const MAX_EVENTS = 1_000_000
/** What one command line of a judge that reads it can hold. */
const REAL_PAIRS_MAX = 20_000

/** Half of the pairs differ in one place only, where mistakes hide. No number overflows a tool's own. */
function pairsOf({ words, before }: Judge, count: number): Pair[] {
  const piece = fc.oneof(fc.nat(12).map(String), fc.constantFrom(...words))
  const version = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(''))
  const near = fc
    .tuple(version, piece, fc.nat(12))
    .map(([a, more, at]): Pair => [a, a.slice(0, at) + more + a.slice(at)])
  const number = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(3)).map((numbers) => numbers.join('.'))
  const real = fc.tuple(number, version).map(([numbers, more]): Pair => [numbers, numbers + more])
  const pairs = fc
    .sample(fc.oneof(fc.tuple(version, version), near, real), { numRuns: count, seed: 21 })
    .filter((pair) => pair.every((one) => !/\d{15}/.test(one)))
  return before === undefined ? pairs : [...pairs, ...pairs.map(([a, b]): Pair => [before + a, before + b])]
}

/** Versions of one package as the records name them, each with the next: neighbours, where the order is fine. */
async function realPairs(ecosystem: string): Promise<Pair[]> {
  const packages = new Map<string, Set<string>>()
  for await (const { bytes } of directorySource(RECORDS, defaultLimits).records(ecosystem)) {
    const record = readRecord(bytes, MAX_EVENTS)
    if ('problem' in record) continue
    for (const { name, versions, ranges } of record.affected) {
      const known = packages.get(name) ?? new Set()
      packages.set(name, known)
      for (const version of [...versions, ...ranges.flatMap(({ events }) => events.map((one) => one.version))])
        if (/^\S+$/.test(version)) known.add(version)
    }
  }
  const all = [...packages.values()].map((versions) => [...versions])
  const pairs = all.flatMap((versions) => versions.slice(1).map((version, i): Pair => [versions[i]!, version]))
  // And each with one of another package, which differs in its shape.
  const flat = all.flat()
  const mixed = flat.map((version, i): Pair => [version, flat[(i * 7_919) % flat.length]!])
  return [...pairs, ...mixed]
}

describe.each(JUDGES)('$ecosystem', (judge) => {
  const [tool] = judge.probe
  const count = Number(process.env.LONGSHORE_LAB_PAIRS ?? 4_000)
  // In the lab a judge that is missing is a failure, not a test left out.
  const asked = (process.env.LONGSHORE_LAB && !judge.megabytes) || here(judge)

  test.runIf(asked)(`${tool} decides ${count} generated pairs as we do`, () => {
    const answers = judged(judge, pairsOf(judge, count))
    expect(answers.length).toBeGreaterThan(count / 5)
    expect(answers.filter(([a, b, result]) => compareVersions(judge.ecosystem, a, b) !== result)).toEqual([])
  })

  const { records } = judge
  if (records === undefined) return
  test.runIf(asked && existsSync(RECORDS))(`${tool} decides the versions of real records as we do`, async () => {
    const pairs = await realPairs(records)
    const step = Math.ceil(pairs.length / REAL_PAIRS_MAX)
    const answers = judged(
      judge,
      pairs.filter((_, i) => i % step === 0),
    )
    expect(answers.length).toBeGreaterThan(100)
    expect(answers.filter(([a, b, result]) => compareVersions(judge.ecosystem, a, b) !== result)).toEqual([])
  })
})
