import { spawnSync } from 'node:child_process'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareVersions } from '../../lib/scan/versions/index.ts'

const dpkg = spawnSync('dpkg', ['--version']).status === 0

/** One shell for all pairs: a process start costs ten times the comparison. */
function askDpkg(pairs: [string, string][]): number[] {
  const script = `while IFS=' ' read -r a b; do
    if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" gt "$b"; then echo 1; else echo 0; fi
  done`
  const input = `${pairs.map((pair) => pair.join(' ')).join('\n')}\n`
  const { stdout, status } = spawnSync('sh', ['-c', script], { input, encoding: 'utf8', timeout: 60_000 })
  expect(status).toBe(0)
  return stdout.trim().split('\n').map(Number)
}

describe.runIf(dpkg)('dpkg --compare-versions', () => {
  const count = Number(process.env.LONGSHORE_LAB_PAIRS ?? 600)
  test(`decides ${count} generated pairs as we do`, () => {
    const part = fc
      .array(fc.oneof(fc.nat(11).map(String), fc.constantFrom('.', '+', '~', 'a', 'B', 'deb12u', '+b', '00')), {
        minLength: 1,
        maxLength: 5,
      })
      .map((pieces) => pieces.join(''))
    const version = fc
      .tuple(fc.option(fc.nat(2)), part, fc.option(part))
      .map(
        ([epoch, upstream, revision]) =>
          `${epoch === null ? '' : `${epoch}:`}1${upstream}${revision ? `-${revision}` : ''}`,
      )
    // Half of the pairs differ in the last piece only, where mistakes hide.
    const pair = fc.oneof(
      fc.tuple(version, version),
      fc.tuple(version, part).map(([a, more]): [string, string] => [a, a + more]),
    )
    const pairs = fc.sample(pair, { numRuns: count, seed: 12 })
    const theirs = askDpkg(pairs)
    const wrong = pairs.filter(([a, b], i) => compareVersions('Debian', a, b) !== theirs[i])
    expect(wrong).toEqual([])
    expect(theirs.filter((result) => result !== 0).length).toBeGreaterThan(count / 4)
  })
})
