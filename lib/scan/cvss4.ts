/**
 * CVSS v4.0 scores (https://www.first.org/cvss/v4.0/specification-document, section 8): the vector is put into one of
 * 270 MacroVectors, whose scores experts have set, and moved towards the next lower ones by its distance from the worst
 * vector of its own.
 */

/**
 * Scores of the MacroVectors as the specification lists them. Key: EQ1, EQ2, EQ3. Values: EQ4, EQ5, EQ6 counting up,
 * the last digit fastest; with EQ3 = 2 the security requirements cannot matter and EQ6 is always 1.
 */
const MACRO_VECTORS: Record<string, string> = {
  '000': '10 9.9 9.8 9.5 9.5 9.2 10 9.6 9.3 8.7 9.1 8.1 9.3 9 8.9 8 8.1 6.8',
  '001': '9.8 9.5 9.5 9.2 9 8.4 9.3 9.2 8.9 8.1 8.1 6.5 8.8 8 7.8 7 6.9 4.8',
  '002': '9.2 8.2 7.2 7.9 6.9 5 6.9 5.5 2.7',
  '010': '9.9 9.7 9.5 9.2 9.2 8.5 9.5 9.1 9 8.3 8.4 7.1 9.2 8.1 8.2 7.1 7.2 5.3',
  '011': '9.5 9.3 9.2 8.5 8.5 7.3 9.2 8.2 8 7.2 7 5.9 8.4 7 7.1 5.2 5 3',
  '012': '8.6 7.5 5.2 7.1 5.2 2.9 6.3 2.9 1.7',
  '100': '9.8 9.5 9.4 8.7 9.1 8.1 9.4 8.9 8.6 7.4 7.7 6.4 8.7 7.5 7.4 6.3 6.3 4.9',
  '101': '9.4 8.9 8.8 7.7 7.6 6.7 8.6 7.6 7.4 5.8 5.9 5 7.2 5.7 5.7 5.2 5.2 2.5',
  '102': '8.3 7 5.4 6.5 5.8 2.6 5.3 2.1 1.3',
  '110': '9.5 9 8.8 7.6 7.6 7 9 7.7 7.5 6.2 6.1 5.3 7.7 6.6 6.8 5.9 5.2 3',
  '111': '8.9 7.8 7.6 6.7 6.2 5.8 7.4 5.9 5.7 5.7 4.7 2.3 6.1 5.2 5.7 2.9 2.4 1.6',
  '112': '7.1 5.9 3 5.8 2.6 1.5 2.3 1.3 0.6',
  '200': '9.3 8.7 8.6 7.2 7.5 5.8 8.6 7.4 7.4 6.1 5.6 3.4 7 5.4 5.2 4 4 2.2',
  '201': '8.5 7.5 7.4 5.5 6.2 5.1 7.2 5.7 5.5 4.1 4.6 1.9 5.3 3.6 3.4 1.9 1.9 0.8',
  '202': '6.4 5.1 2 4.7 2.1 1.1 2.4 0.9 0.4',
  '210': '8.8 7.5 7.3 5.3 6 5 7.3 5.5 5.9 4 4.1 2 5.4 4.3 4.5 2.2 2 1.1',
  '211': '7.5 5.5 5.8 4.5 4 2.1 6.1 5.1 4.8 1.8 2 0.9 4.6 1.8 1.7 0.7 0.8 0.2',
  '212': '5.3 2.4 1.4 2.4 1.2 0.5 1 0.3 0.1',
}

const SCORES: ReadonlyMap<string, number> = new Map(
  Object.entries(MACRO_VECTORS).flatMap(([prefix, row]) => {
    const sixths = prefix[2] === '2' ? ['1'] : ['0', '1']
    const keys = ['0', '1', '2'].flatMap((four) =>
      ['0', '1', '2'].flatMap((five) => sixths.map((six) => `${prefix}${four}${five}${six}`)),
    )
    const scores = row.split(' ').map(Number)
    return keys.map((key, i) => [key, scores[i]!] as const)
  }),
)

type Metrics = { readonly [metric: string]: string }

/** Values of each metric from worst to least; the position is its distance. */
const LEVELS: Record<string, string> = {
  AV: 'NALP',
  PR: 'NLH',
  UI: 'NPA',
  AC: 'LH',
  AT: 'NP',
  VC: 'HLN',
  VI: 'HLN',
  VA: 'HLN',
  SC: 'SHLN',
  SI: 'SHLN',
  SA: 'SHLN',
  CR: 'HML',
  IR: 'HML',
  AR: 'HML',
}

/** The worst vectors of each equivalence class (specification, section 8.2), values in the order of the metrics. */
const WORST: Record<string, { metrics: string[]; vectors: Record<string, string[]> }> = {
  eq1: { metrics: ['AV', 'PR', 'UI'], vectors: { 0: ['NNN'], 1: ['ANN', 'NLN', 'NNP'], 2: ['PNN', 'ALP'] } },
  eq2: { metrics: ['AC', 'AT'], vectors: { 0: ['LN'], 1: ['HN', 'LP'] } },
  eq36: {
    metrics: ['VC', 'VI', 'VA', 'CR', 'IR', 'AR'],
    vectors: {
      '00': ['HHHHHH'],
      '01': ['HHLMMH', 'HHHMMM'],
      10: ['LHHHHH', 'HLHHHH'],
      11: ['LHLHMH', 'LHHHMM', 'HLHMHM', 'HLLMHH', 'LLHHHM'],
      21: ['LLLHHH'],
    },
  },
  eq4: { metrics: ['SC', 'SI', 'SA'], vectors: { 0: ['HSS'], 1: ['HHH'], 2: ['LLL'] } },
}

/** How many steps each class is deep (specification, section 8.3). */
const DEPTH: Record<string, Record<string, number>> = {
  eq1: { 0: 1, 1: 4, 2: 5 },
  eq2: { 0: 1, 1: 2 },
  eq36: { '00': 7, '01': 6, 10: 8, 11: 8, 21: 10 },
  eq4: { 0: 6, 1: 5, 2: 4 },
}

/** What counts of a metric: the environment's value when given, the worst where nothing is said. */
function effective(given: Metrics): (metric: string) => string {
  return (metric) => {
    const modified = given[`M${metric}`]
    if (modified !== undefined && modified !== 'X') return modified
    const value = given[metric]
    if (value !== undefined && value !== 'X') return value
    return metric === 'E' ? 'A' : 'H'
  }
}

function classes(m: (metric: string) => string): { eq1: string; eq2: string; eq36: string; eq4: string; eq5: string } {
  const open = [m('AV'), m('PR'), m('UI')].filter((value) => value === 'N').length
  const high = (metric: string) => m(metric) === 'H'
  const eq1 = open === 3 ? '0' : open > 0 && m('AV') !== 'P' ? '1' : '2'
  const eq2 = m('AC') === 'L' && m('AT') === 'N' ? '0' : '1'
  const eq3 = high('VC') && high('VI') ? '0' : high('VC') || high('VI') || high('VA') ? '1' : '2'
  const safety = m('SI') === 'S' || m('SA') === 'S'
  const eq4 = safety ? '0' : high('SC') || high('SI') || high('SA') ? '1' : '2'
  const eq5 = { A: '0', P: '1', U: '2' }[m('E')] ?? '0'
  const required = (high('CR') && high('VC')) || (high('IR') && high('VI')) || (high('AR') && high('VA'))
  return { eq1, eq2, eq36: `${eq3}${required ? '0' : '1'}`, eq4, eq5 }
}

/** Next lower classes; of two ways down the one that keeps the higher score counts. */
const NEXT: Record<string, Record<string, string[]>> = {
  eq1: { 0: ['1'], 1: ['2'] },
  eq2: { 0: ['1'] },
  eq36: { '00': ['01', '10'], '01': ['11'], 10: ['11'], 11: ['21'] },
  eq4: { 0: ['1'], 1: ['2'] },
  eq5: { 0: ['1'], 1: ['2'] },
}

type Classes = ReturnType<typeof classes>
const scoreOf = ({ eq1, eq2, eq36, eq4, eq5 }: Classes): number | undefined =>
  SCORES.get(`${eq1}${eq2}${eq36[0]}${eq4}${eq5}${eq36[1]}`)

/** Steps from the first worst vector of the class that is at least as bad in every metric. */
function distance(eq: string, of: string, m: (metric: string) => string): number {
  const { metrics, vectors } = WORST[eq]!
  for (const vector of vectors[of]!) {
    const steps = metrics.map((metric, i) => LEVELS[metric]!.indexOf(m(metric)) - LEVELS[metric]!.indexOf(vector[i]!))
    if (steps.every((step) => step >= 0)) return steps.reduce((sum, step) => sum + step, 0)
  }
  return 0
}

/** Score of valid CVSS v4.0 metrics, 0.0 to 10.0 with one decimal. */
export function scoreCvss4(given: Metrics): number {
  const m = effective(given)
  if (['VC', 'VI', 'VA', 'SC', 'SI', 'SA'].every((metric) => m(metric) === 'N')) return 0
  const own = classes(m)
  const value = scoreOf(own)!
  let lower = 0
  let moved = 0
  for (const eq of ['eq1', 'eq2', 'eq36', 'eq4', 'eq5'] as const) {
    const next = (NEXT[eq]![own[eq]] ?? []).map((below) => scoreOf({ ...own, [eq]: below }))
    const reachable = next.filter((score) => score !== undefined)
    if (reachable.length === 0) continue
    lower++
    // EQ5 has one vector per class, so nothing can lie below its worst.
    if (eq !== 'eq5') moved += (value - Math.max(...reachable)) * (distance(eq, own[eq], m) / DEPTH[eq]![own[eq]]!)
  }
  const score = value - (lower === 0 ? 0 : moved / lower)
  return Math.round(Math.min(10, Math.max(0, score)) * 10) / 10
}
