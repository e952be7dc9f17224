/** Tools that order versions themselves. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Judge {
  ecosystem: string
  /** Of the shared records whose versions it can order; nothing where the shared records have none. */
  records?: string
  /** Asks whether the tool is here. */
  probe: [command: string, ...args: string[]]
  /** Reads tab-separated pairs from `pairs`, writes -1, 0, 1 or x (it takes no such version) a line to `answers`. */
  ask(pairs: string, answers: string): [command: string, ...args: string[]]
  words: string[]
  /** What a tool that takes few of them needs before them: every pair is asked with it, too. */
  before?: string
  /** Asked where it is, also by the lab: not everybody has that much room. */
  megabytes?: number
}

/** Debian's maven-artifact. */
const MAVEN = '/usr/share/java/maven-artifact-3.x.jar:/usr/share/java/commons-lang3.jar'
const COMPARABLE = 'org.apache.maven.artifact.versioning.ComparableVersion'

export const JUDGES: Judge[] = [
  {
    ecosystem: 'Red Hat',
    records: 'AlmaLinux',
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
    records: 'RubyGems',
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
    records: 'PyPI',
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
    records: 'Packagist',
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
  {
    ecosystem: 'Maven',
    records: 'Maven',
    probe: ['java', '-cp', MAVEN, COMPARABLE, '1'],
    // It compares each argument with the one before: every second answer is about a pair.
    ask: (pairs, answers) => [
      'bash',
      '-c',
      `mapfile -t versions < <(tr '\\t' '\\n' < '${pairs}')
        java -cp '${MAVEN}' ${COMPARABLE} "\${versions[@]}" | awk '/^   / && ++n % 2 == 1 {
          print $2 == "<" ? -1 : $2 == ">" ? 1 : 0 }' > '${answers}'`,
    ],
    words: ['.', '.', '-', '-', 'alpha', 'a', 'rc', 'cr', 'final', 'ga', 'sp', 'snapshot', 'x', '_', '+', 'M'],
  },
  {
    ecosystem: 'CRAN',
    probe: ['Rscript', '-e', 'package_version("1.2-3")'],
    ask: (pairs, answers) => [
      'Rscript',
      '-e',
      // Its operators hold 1.2 and 1.2.0 for equal before R 4.3; compareVersion never did.
      inOneLine(`pairs <- strsplit(readLines('${pairs}'), '\\t');
        judge <- function(p) tryCatch({ package_version(p);
          as.character(compareVersion(p[1], p[2])) }, error = function(e) 'x');
        writeLines(vapply(pairs, judge, ''), '${answers}')`),
    ],
    words: ['.', '.', '.', '-', '.0', '-0', '00'],
  },
  {
    ecosystem: 'Hackage',
    probe: ['ghc', '-e', 'Data.Version.showVersion (Data.Version.makeVersion [1])'],
    ask: (pairs, answers) => [
      'ghc',
      '-e',
      inOneLine(`let {
        versionsOf text = [v | (v, "") <- Text.ParserCombinators.ReadP.readP_to_S Data.Version.parseVersion text];
        judge line = let { (a, b) = break (== '\\t') line } in case (versionsOf a, versionsOf (drop 1 b)) of {
          (v : _, w : _) -> show (fromEnum (compare v w) - 1); _ -> "x" } }
        in readFile "${pairs}" >>= writeFile "${answers}" . unlines . map judge . lines`),
    ],
    words: ['.', '.', '.', '.0', '00'],
    megabytes: 776,
  },
  {
    ecosystem: 'Hex',
    probe: ['elixir', '-e', 'Version.compare("1.0.0", "1.0.1")'],
    ask: (pairs, answers) => [
      'elixir',
      '-e',
      `judge = fn line ->
          [a, b] = String.split(line, "\\t")
          try do
            Map.fetch!(%{lt: "-1", eq: "0", gt: "1"}, Version.compare(a, b))
          rescue
            _ -> "x"
          end
        end
        lines = File.read!("${pairs}") |> String.split("\\n", trim: true)
        File.write!("${answers}", Enum.map_join(lines, "\\n", judge))`,
    ],
    words: ['-rc.', '-a', '.0', '+b', 'rc', 'A', '-', '+', '.', '.'],
    before: '1.2.3-',
  },
]

/** For tools that read their program line by line. */
function inOneLine(program: string): string {
  return program.replace(/\n\s*/g, ' ')
}

export const here = ({ probe: [command, ...args] }: Judge): boolean =>
  spawnSync(command, args, { timeout: 10_000 }).status === 0

export type Pair = [a: string, b: string]

/** What it says of each pair, without those that are no versions to it. */
export function judged(judge: Judge, pairs: readonly Pair[]): [a: string, b: string, result: number][] {
  const folder = mkdtempSync(join(tmpdir(), 'longshore-versions-'))
  try {
    const [pairsFile, answersFile] = [join(folder, 'pairs'), join(folder, 'answers')]
    writeFileSync(pairsFile, `${pairs.map((pair) => pair.join('\t')).join('\n')}\n`)
    const [command, ...args] = judge.ask(pairsFile, answersFile)
    const { status, stderr } = spawnSync(command, args, { timeout: 60_000 })
    if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`)
    const answers = readFileSync(answersFile, 'utf8').trim().split('\n')
    if (answers.length !== pairs.length) throw new Error(`${command} answered ${answers.length} of ${pairs.length}`)
    return pairs.flatMap(([a, b], i) =>
      answers[i] === 'x' ? [] : [[a, b, Number(answers[i])] as [string, string, number]],
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
