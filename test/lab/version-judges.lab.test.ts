/** Every tool that orders versions itself and is on this machine decides thousands of pairs, and we decide the same. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compareVersions } from '../../lib/scan/versions/index.ts'

interface Judge {
  ecosystem: string
  /** Asks whether the tool is here. */
  probe: [command: string, ...args: string[]]
  /** Reads tab-separated pairs from `pairs`, writes -1, 0, 1 or x (it takes no such version) a line to `answers`. */
  ask(pairs: string, answers: string): [command: string, ...args: string[]]
  words: string[]
}

const JUDGES: Judge[] = [
  {
    ecosystem: 'Red Hat',
    probe: ['rpm', '--eval', '%{lua: print(rpm.vercmp("1", "2"))}'],
    ask: (pairs, answers) => [
      'rpm',
      '--eval',
      `%{lua: local o = io.open("${answers}", "w")
        for l in io.lines("${pairs}") do
          local a, b = l:match("^(.-)\\t(.*)$")
          o:write(tostring(rpm.vercmp(a, b)), "\\n")
        end
        o:close()}`,
    ],
    words: ['.', '.', '-', '~', '^', '1:', 'a', '.el9', '_', '+', 'git', '0'],
  },
  {
    ecosystem: 'RubyGems',
    probe: ['ruby', '-e', 'Gem::Version'],
    ask: (pairs, answers) => [
      'ruby',
      '-e',
      `File.write('${answers}', File.foreach('${pairs}').map { |l| a, b = l.chomp.split("\\t")
        (Gem::Version.new(a) <=> Gem::Version.new(b)) rescue 'x' }.join("\\n"))`,
    ],
    words: ['.', '.', '.', '-', 'a', 'rc', 'pre', 'beta', '.0', 'A'],
  },
  {
    ecosystem: 'PyPI',
    probe: ['/usr/bin/python3', '-c', 'import packaging.version'],
    ask: (pairs, answers) => [
      '/usr/bin/python3',
      '-c',
      `
from packaging.version import Version
def judge(line):
    try:
        a, b = (Version(text) for text in line.rstrip('\\n').split('\\t'))
        return (a > b) - (a < b)
    except ValueError:
        return 'x'
open('${answers}', 'w').write('\\n'.join(str(judge(line)) for line in open('${pairs}')))`,
    ],
    words: ['.', '.', '.', 'a', 'rc', '.post', '.dev', '1!', '+', '-', 'v', '+ab', '.0'],
  },
  {
    ecosystem: 'Packagist',
    probe: ['php', '-r', 'version_compare("1", "2");'],
    ask: (pairs, answers) => [
      'php',
      '-r',
      // Where PHP contradicts itself (1.0. is lower than 1.0., and of two such each is lower) there is nothing to agree with.
      `$cmp = fn($a, $b) => version_compare(preg_replace('/^v/i', '', $a), preg_replace('/^v/i', '', $b));
        $out = []; foreach (file('${pairs}', FILE_IGNORE_NEW_LINES) as $line) {
        [$a, $b] = explode("\\t", $line); $r = $cmp($a, $b);
        $out[] = $cmp($b, $a) === -$r && $cmp($a, $a) === 0 && $cmp($b, $b) === 0 ? $r : 'x'; }
        file_put_contents('${answers}', implode("\\n", $out));`,
    ],
    words: ['.', '.', '-', '_', '+', 'dev', 'alpha', 'beta', 'RC', 'p', 'pl', 'x', '~', '@', 'stable'],
  },
]

const here = ({ probe: [command, ...args] }: Judge): boolean =>
  spawnSync(command, args, { timeout: 10_000 }).status === 0

/** Half of the pairs differ in one place only, where mistakes hide. No number overflows a tool's own. */
function pairsOf(words: string[], count: number): [string, string][] {
  const piece = fc.oneof(fc.nat(12).map(String), fc.constantFrom(...words))
  const version = fc.array(piece, { minLength: 1, maxLength: 7 }).map((pieces) => pieces.join(''))
  const near = fc
    .tuple(version, piece, fc.nat(12))
    .map(([a, more, at]): [string, string] => [a, a.slice(0, at) + more + a.slice(at)])
  const number = fc.tuple(fc.nat(20), fc.nat(20), fc.nat(3)).map((numbers) => numbers.join('.'))
  const real = fc.tuple(number, version).map(([numbers, more]): [string, string] => [numbers, numbers + more])
  return fc
    .sample(fc.oneof(fc.tuple(version, version), near, real), { numRuns: count, seed: 21 })
    .filter((pair) => pair.every((one) => !/\d{15}/.test(one)))
}

describe.each(JUDGES)('$ecosystem', (judge) => {
  const count = Number(process.env.LONGSHORE_LAB_PAIRS ?? 4_000)
  // In the lab a judge that is missing is a failure, not a test left out.
  test.runIf(process.env.LONGSHORE_LAB || here(judge))(
    `${judge.probe[0]} decides ${count} generated pairs as we do`,
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'longshore-versions-'))
      try {
        const [pairsFile, answersFile] = [join(folder, 'pairs'), join(folder, 'answers')]
        const pairs = pairsOf(judge.words, count)
        writeFileSync(pairsFile, `${pairs.map((pair) => pair.join('\t')).join('\n')}\n`)
        const [command, ...args] = judge.ask(pairsFile, answersFile)
        expect(spawnSync(command, args, { timeout: 60_000 }).status).toBe(0)
        const answers = readFileSync(answersFile, 'utf8').trim().split('\n')
        expect(answers).toHaveLength(pairs.length)
        const judged = pairs.flatMap(([a, b], i) => (answers[i] === 'x' ? [] : [[a, b, Number(answers[i])] as const]))
        expect(judged.length).toBeGreaterThan(count / 5)
        const wrong = judged.filter(([a, b, result]) => compareVersions(judge.ecosystem, a, b) !== result)
        expect(wrong).toEqual([])
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})
