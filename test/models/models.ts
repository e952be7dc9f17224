/** What Spin is asked, and what it must answer. A row that fails on purpose shows that the mechanism it removes is needed. */

export interface Question {
  file: 'job' | 'tag' | 'continuation' | 'tick' | 'outbox'
  /** What the row is about, for the table that is printed. */
  says: string
  /** `safety`: assertions and deadlocks. `liveness`: the file's ltl formula, under weak fairness. */
  about: 'safety' | 'liveness'
  flags: string[]
  expected: 'holds' | 'violated'
  /** Megabytes its search takes, where that is much: asked where so many are free. */
  megabytes?: number
}

type Row = [says: string, expected: Question['expected'], flags: string, megabytes?: number]

const rows = (file: Question['file'], about: Question['about'], ...all: Row[]): Question[] =>
  all.map(([says, expected, flags, megabytes]) => ({
    file,
    about,
    says,
    expected,
    flags: flags.split(' ').filter(Boolean),
    ...(megabytes ? { megabytes } : {}),
  }))

/** The smallest scopes in which each fault can still come between any two steps of two workers. */
const CALM = '-DEARLY=0 -DDUPLICATES=0'

export const QUESTIONS: Question[] = [
  ...rows(
    'job',
    'safety',
    ['a crash and a duplicate', 'holds', '-DEARLY=0'],
    ['a crash and a lease that ends early', 'holds', '-DDUPLICATES=0'],
    ['a duplicate and a lease that ends early', 'holds', '-DCRASHES=0'],
    ['a restart that leaves zombies and no message', 'holds', `-DRESTART ${CALM}`],
    ['workers that die without end, and dead letters', 'holds', `-DWITH_DEAD_LETTERS -DUNLIMITED -DONE_WORKER ${CALM}`],
    ['an execution that is stopped or whose policy is disabled', 'holds', `-DWITH_PARENT -DONE_WORKER ${CALM}`],
    ['the same, with two workers', 'holds', `-DWITH_PARENT ${CALM}`],
    ['a request that is sent twice with one key', 'holds', `-DWITH_RESUBMIT -DONE_WORKER ${CALM}`],
    ['a crash, a duplicate and a lease that ends early', 'holds', ''],
    ['finish without the fence', 'violated', '-DNO_FENCE -DDUPLICATES=0'],
    ['finish without any condition, as in 2017', 'violated', '-DNO_STATUS_CHECK -DDUPLICATES=0'],
    ['finish without looking at the stop', 'violated', '-DNO_STOP_CHECK -DDUPLICATES=0'],
    ['a sweep that ignores leases', 'violated', '-DBLIND_SWEEP -DDUPLICATES=0'],
    ['recover without the fence it saw', 'violated', '-DRECOVER_UNFENCED -DDUPLICATES=0'],
    ['recover without looking at the stop', 'violated', '-DRECOVER_IGNORES_STOP -DDUPLICATES=0'],
    ['take-over without looking at the stop', 'violated', '-DTAKEOVER_IGNORES_STOP -DDUPLICATES=0'],
    ['put without "if absent"', 'violated', `-DWITH_RESUBMIT -DNO_IF_ABSENT ${CALM}`],
    ['dead letters that end jobs blindly', 'violated', `-DWITH_DEAD_LETTERS -DBLIND_DEAD_LETTER -DCRASHES=2 ${CALM}`],
  ),
  ...rows(
    'job',
    'liveness',
    ['every accepted job ends', 'holds', CALM],
    ['after a restart that leaves no message', 'holds', `-DRESTART -DONE_WORKER ${CALM}`],
    ['acknowledging before the claim, with the sweep', 'holds', `-DACK_FIRST ${CALM}`],
    [
      'workers that die without end, before or after the claim',
      'holds',
      `-DWITH_DEAD_LETTERS -DUNLIMITED -DONE_WORKER ${CALM}`,
    ],
    ['no sweep', 'violated', `-DNO_SWEEP ${CALM}`],
    ['acknowledging before the claim, without the sweep', 'violated', `-DACK_FIRST -DNO_SWEEP ${CALM}`],
    ['a sweep that recovers no running job', 'violated', `-DNO_RECOVER ${CALM}`],
    ['dead letters that are sent again for ever', 'violated', `-DWITH_DEAD_LETTERS -DUNLIMITED -DNO_POISON ${CALM}`],
    [
      'recover that counts no attempt',
      'violated',
      `-DWITH_DEAD_LETTERS -DUNLIMITED -DRECOVER_COUNTS_NOT -DONE_WORKER ${CALM}`,
    ],
  ),
  ...rows(
    'tag',
    'safety',
    ['two jobs, a killed worker', 'holds', ''],
    ['two jobs, two killed workers', 'holds', '-DCRASHES=2'],
    ['three jobs, a killed worker, then a killed repair', 'holds', '-DJOBS=3 -DCRASHES=2 -DCRASH_IN_REPAIR', 13_000],
    ['no claim before the tag is set', 'violated', '-DNO_CLAIM'],
    ['no look at the claim after it was set', 'violated', '-DNO_RECHECK'],
    ['no follow-up that looks again later', 'violated', '-DNO_VERIFY'],
    ['a claim that forgets the leases before it', 'violated', '-DFORGETS_OTHERS'],
    [
      'a repair that does not write its lease first',
      'violated',
      '-DNO_REPAIR_CLAIM -DJOBS=3 -DCRASHES=2 -DCRASH_IN_REPAIR',
    ],
  ),
  ...rows(
    'continuation',
    'safety',
    ['what is committed is the blob', 'holds', ''],
    ['closing without the digest', 'violated', '-DNO_DIGEST'],
  ),
  ...rows(
    'continuation',
    'liveness',
    ['it ends', 'holds', ''],
    ['without the hop limit', 'holds', '-DNO_HOP_LIMIT'],
    ['without the limit of runs that move nothing', 'holds', '-DNO_STUCK_LIMIT'],
    ['without both limits', 'violated', '-DNO_HOP_LIMIT -DNO_STUCK_LIMIT'],
  ),
  ...rows(
    'tick',
    'safety',
    ['one execution or one skip per instant', 'holds', ''],
    ['with executions that people set going again', 'holds', '-DRETRIES'],
    ['put without "if absent"', 'violated', '-DNO_IF_ABSENT'],
    ['advance without the instant it saw', 'violated', '-DNO_ADVANCE_CONDITION'],
    ['a tick that trusts its own look instead of the record', 'violated', '-DSKIP_BY_LOOK'],
  ),
  ...rows('tick', 'liveness', ['every instant fires', 'holds', '']),
  ...rows(
    'outbox',
    'liveness',
    ['the settle time outlasts a write and the index', 'holds', ''],
    ['a write that takes longer', 'violated', '-DWRITE=2'],
    ['an index that lags longer', 'violated', '-DLAG=2'],
    ['the cursor moved before the hand-over', 'violated', '-DCURSOR_FIRST'],
  ),
]
