/**
 * `npm run simulate -- --seeds N [--from SEED] [--threads N] [--trace]`: exit 1 when a history breaks an invariant.
 * `--mutant N` builds the N-th flaw of flaws.ts into the protocol: to see one found, and that this command says so.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { bundleSimulator } from './bundle.ts'
import { FLAWS } from './flaws.ts'
import { runFleet } from './fleet.ts'
import { replayLine, type Summary, summaryLine } from './summary.ts'

/** Of as many violations as a screen holds. */
const SHOWN_MAX = 20

const usage = 'usage: npm run simulate -- --seeds N [--from SEED] [--threads N] [--trace]'

function whole(text: string, name: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 1) return value
  console.error(`--${name} ${text} is not a whole number above 0; ${usage}`)
  process.exit(2)
}

export async function simulate(root: string, args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '20000' },
      from: { type: 'string', default: '1' },
      threads: { type: 'string', default: String(availableParallelism()) },
      trace: { type: 'boolean', default: false },
      mutant: { type: 'string' },
    },
  })
  const seeds = whole(values.seeds, 'seeds')
  const from = whole(values.from, 'from')
  const flaw = values.mutant === undefined ? undefined : FLAWS[whole(values.mutant, 'mutant') - 1]
  if (values.mutant !== undefined && !flaw) {
    console.error(`there are ${FLAWS.length} mutants, --mutant ${values.mutant} is none of them`)
    return 2
  }
  const bundle = await bundleSimulator(root, flaw)
  let toldAt = 0
  // A violation is told when it is met: whoever waits for a million histories need not wait for their end.
  const told = new Set<number>()
  const tell = (so: Summary) => {
    for (const { seed, text } of so.violations) {
      if (told.has(seed) || told.size >= SHOWN_MAX) continue
      told.add(seed)
      console.log(`${replayLine(seed)}${flaw ? ` --mutant ${values.mutant}` : ''}   # ${text}`)
    }
  }
  try {
    const summary = await runFleet({
      path: bundle.path,
      from,
      seeds,
      threads: values.trace ? 1 : whole(values.threads, 'threads'),
      trace: values.trace,
      progress: (so) => {
        tell(so)
        if (performance.now() - toldAt < 5_000 || so.seeds === seeds) return
        toldAt = performance.now()
        console.log(`${so.seeds} of ${seeds} histories, ${so.violations.length} with a violation`)
      },
    })
    tell(summary)
    if (summary.violations.length > SHOWN_MAX) console.log(`... and ${summary.violations.length - SHOWN_MAX} more`)
    console.log(summaryLine(summary))
    return summary.violations.length > 0 ? 1 : 0
  } finally {
    bundle.remove()
  }
}
