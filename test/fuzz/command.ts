/**
 * `npm run fuzz -- --inputs N [--from SEED] [--seconds S] [--target NAME] [--save FOLDER]`: exit 1 when an input finds a flaw. Its last
 * line is the summary; each flaw has a line that tries it again.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { inputOf } from './inputs.ts'
import { type FuzzSummary, fuzz } from './run.ts'
import { TARGETS } from './targets.ts'

/** Of as many flaws as a screen holds. */
const SHOWN_MAX = 20
const USAGE =
  'usage: npm run fuzz -- --inputs N [--from SEED] [--seconds S] [--target NAME] [--threads N] [--save FOLDER]'

class Usage extends Error {}

function whole(text: string, name: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 1)
    throw new Usage(`--${name} ${text} is not a whole number above 0; ${USAGE}`)
  return value
}

/** @param worker the bundled `worker.ts` */
export async function fuzzCommand(worker: string, args: string[]): Promise<number> {
  try {
    return await run(worker, args)
  } catch (error) {
    if (!(error instanceof Usage) && !String((error as { code?: unknown }).code).startsWith('ERR_PARSE_ARGS'))
      throw error
    console.error((error as Error).message)
    return 2
  }
}

async function run(worker: string, args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      inputs: { type: 'string', default: '100000' },
      from: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '86400' },
      target: { type: 'string' },
      threads: { type: 'string', default: String(availableParallelism()) },
      save: { type: 'string' },
    },
  })
  const target = TARGETS.find(({ name }) => name === values.target)
  if (values.target !== undefined && !target)
    throw new Usage(`--target ${values.target} is none of ${TARGETS.map(({ name }) => name).join(', ')}; ${USAGE}`)
  const inputs = whole(values.inputs, 'inputs')
  let toldAt = performance.now()
  const summary = await fuzz({
    path: worker,
    from: whole(values.from, 'from'),
    inputs,
    threads: whole(values.threads, 'threads'),
    secondsMax: whole(values.seconds, 'seconds'),
    ...(target ? { only: target.name } : {}),
    progress: (so) => {
      if (performance.now() - toldAt < 5_000) return
      toldAt = performance.now()
      console.log(`${so.inputs} of ${inputs} inputs, ${so.found.length} flaws`)
    },
  })
  for (const { seed, target: name, text } of summary.found.slice(0, SHOWN_MAX)) {
    console.log(`npm run fuzz -- --inputs 1 --from ${seed}${target ? ` --target ${name}` : ''}   # ${name}: ${text}`)
    if (values.save === undefined) continue
    mkdirSync(values.save, { recursive: true })
    const tried = inputOf(seed, target)
    writeFileSync(join(values.save, `${tried.target.name}.${seed}`), tried.input)
  }
  if (summary.found.length > SHOWN_MAX) console.log(`... and ${summary.found.length - SHOWN_MAX} more`)
  console.log(lineOf(summary))
  return summary.found.length > 0 ? 1 : 0
}

/** One line for people. */
export function lineOf({ inputs, tried, found }: FuzzSummary): string {
  const least = Object.entries(tried).sort(([, a], [, b]) => a - b)[0]
  const readers = `${Object.keys(tried).length} readers`
  return `${inputs} inputs for ${readers}, ${found.length} flaws; fewest: ${least ? `${least[1]} for ${least[0]}` : 'none'}`
}
