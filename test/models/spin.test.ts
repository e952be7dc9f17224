/**
 * Every model, searched whole by Spin (Debian's `spin`, and a C compiler). LONGSHORE_SPIN=1 asks them, some
 * ten minutes of one core; a question that needs much memory is left out where it is not free.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { QUESTIONS, type Question } from './models.ts'

const run = promisify(execFile)
const asked = process.env.LONGSHORE_SPIN

/** Search depth: the longest path of the largest model has a few thousand steps. */
const DEPTH = 400_000
/** Deep recursion of a search that is cut off would not be a proof. */
const INCOMPLETE = /max search depth too small|out of memory|Search not completed|truncated|aborting/i
/** Megabytes a search may take, if the question does not say more. */
const MEMORY_MB = 6_000

interface Answer {
  errors: number
  states: number
  seconds: number
  /** What the search stumbled over, in pan's words. */
  error: string
  /** Lines of the model that no path reached. */
  unreached: number[]
  text: string
}

describe.runIf(asked)('Spin', () => {
  let folder: string
  const told: string[] = []
  /** Lines of MOVE of the job's model that some question which holds has walked over. */
  const reached = new Set<number>()

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'longshore-spin-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true })
    process.stdout.write(`\n${told.join('\n')}\n`)
  })

  for (const [index, question] of QUESTIONS.entries()) {
    const { file, about, says, expected, megabytes = 0 } = question
    const fits = megabytes < freemem() / 1_048_576
    test.runIf(fits)(`${file}, ${about}: ${says} - ${expected}`, { timeout: 1_500_000 }, async () => {
      const answer = await ask(question, join(folder, String(index)))
      const row = [file, about, says, answer.error || expected, `${answer.states} states`, `${answer.seconds} s`]
      told.push(row.join(' | '))
      if (expected === 'violated') {
        expect(answer.errors, answer.text).toBeGreaterThan(0)
        // For the reason it is there for: an assertion, or a way round for ever. A deadlock would be a flaw of the model.
        expect(answer.error, answer.text).toMatch(about === 'safety' ? /^assertion violated/ : /^acceptance cycle/)
        return
      }
      expect(answer.errors, answer.text).toBe(0)
      expect(answer.text).not.toMatch(INCOMPLETE)
      expect(answer.states).toBeGreaterThan(10)
      if (file !== 'job' || about !== 'safety') return
      const unreached = new Set(answer.unreached)
      for (const line of await moves(question)) if (!unreached.has(line)) reached.add(line)
    })
  }

  test('every move of the job was made by some search that holds', async () => {
    const all = new Set((await Promise.all(QUESTIONS.filter((q) => q.expected === 'holds').map(moves))).flat())
    expect([...all].filter((line) => !reached.has(line))).toEqual([])
  })
})

/** Numbers of the lines that move the job and that this question compiles. */
async function moves({ file, flags, about }: Question): Promise<number[]> {
  if (file !== 'job' || about !== 'safety') return []
  const defined = new Set(flags.map((flag) => flag.replace(/^-D(\w+).*/, '$1')))
  const inside: boolean[] = []
  const found: number[] = []
  const lines = (await readFile(join(import.meta.dirname, `${file}.pml`), 'utf8')).split('\n')
  for (const [at, line] of lines.entries()) {
    const [, word, name = ''] = /^#(ifdef|ifndef|else|endif)\b ?(\w*)/.exec(line) ?? []
    if (word === 'ifdef') inside.push(defined.has(name))
    else if (word === 'ifndef') inside.push(!defined.has(name))
    else if (word === 'else') inside.push(!inside.pop())
    else if (word === 'endif') inside.pop()
    else if (!inside.includes(false) && /\bMOVE\(\w+, [A-Z]+, [A-Z]+\)/.test(line)) found.push(at + 1)
  }
  return found
}

async function ask({ file, about, flags, expected, megabytes }: Question, folder: string): Promise<Answer> {
  await mkdir(folder)
  const model = `${file}.pml`
  await copyFile(join(import.meta.dirname, model), join(folder, model))
  const here = { cwd: folder, maxBuffer: 64 * 1024 * 1024 }
  await run('spin', ['-a', ...flags, model], here)
  // NFAIR: weak fairness over up to twenty processes. NOCLAIM: the formula is the question of the other kind of row.
  const kind = about === 'safety' ? ['-DSAFETY', '-DNOCLAIM'] : ['-DNFAIR=3']
  // Most searches are over before an optimizing compiler would be.
  const speed = (file === 'job' || megabytes) && expected === 'holds' ? '-O2' : '-O0'
  await run(
    'cc',
    [speed, '-w', `-DMEMLIM=${megabytes ?? MEMORY_MB}`, '-DCOLLAPSE', ...kind, '-o', 'pan', 'pan.c'],
    here,
  )
  const how = about === 'safety' ? [] : ['-a', '-f']
  const { stdout } = await run('./pan', [...how, `-m${DEPTH}`], here).catch((error: { stdout?: string }) => {
    if (error.stdout === undefined) throw error
    return { stdout: error.stdout }
  })
  await rm(folder, { recursive: true })
  const number = (pattern: RegExp) => Number(pattern.exec(stdout)?.[1] ?? Number.NaN)
  return {
    errors: number(/errors: (\d+)/),
    // From a hundred million on pan writes 1.8227143e+08.
    states: number(/^\s*([\d.]+(?:e\+\d+)?) states, stored/m),
    seconds: number(/elapsed time ([\d.]+)/),
    error: /^pan:\d+: (.*?)(?: \(at depth \d+\))?$/m.exec(stdout)?.[1] ?? '',
    unreached: [...stdout.matchAll(/\.pml:(\d+), state \d+/g)].map(([, line]) => Number(line)),
    text: stdout,
  }
}
