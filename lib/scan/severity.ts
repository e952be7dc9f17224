/** CVSS base scores of v2, v3.0, v3.1 and v4.0, and the words of a severity. By hand from the specifications of FIRST. */
import type { Severity } from '../glossary.ts'
import { scoreCvss4 } from './cvss4.ts'

type Metrics = Record<string, string>

/** Metrics of a vector that must all be there, with the values they may take. */
const REQUIRED: Record<string, Record<string, string>> = {
  '2': { AV: 'LAN', AC: 'HML', Au: 'MSN', C: 'NPC', I: 'NPC', A: 'NPC' },
  '3': { AV: 'NALP', AC: 'LH', PR: 'NLH', UI: 'NR', S: 'UC', C: 'HLN', I: 'HLN', A: 'HLN' },
  '4': {
    AV: 'NALP',
    AC: 'LH',
    AT: 'NP',
    PR: 'NLH',
    UI: 'NPA',
    VC: 'HLN',
    VI: 'HLN',
    VA: 'HLN',
    SC: 'HLN',
    SI: 'HLN',
    SA: 'HLN',
  },
}

/** Optional metrics of v4.0 that change the score; any other value would send the calculation astray. */
const OPTIONAL_4: Record<string, string> = {
  E: 'XAPU',
  CR: 'XHML',
  IR: 'XHML',
  AR: 'XHML',
  MAV: 'XNALP',
  MAC: 'XLH',
  MAT: 'XNP',
  MPR: 'XNLH',
  MUI: 'XNPA',
  MVC: 'XHLN',
  MVI: 'XHLN',
  MVA: 'XHLN',
  MSC: 'XHLN',
  MSI: 'XSHLN',
  MSA: 'XSHLN',
}

const VECTOR_CHARACTERS_MAX = 512

const fits = (value: string | undefined, allowed: string): boolean =>
  value !== undefined && value.length === 1 && allowed.includes(value)

function parseVector(vector: string): { major: '2' | '3' | '4'; minor: string; metrics: Metrics } | undefined {
  if (vector.length > VECTOR_CHARACTERS_MAX) return undefined
  const version = /^CVSS:(3\.[01]|4\.0)\//.exec(vector)
  const major = (version?.[1]?.[0] ?? '2') as '2' | '3' | '4'
  const body = vector.slice(version?.[0].length ?? 0).replace(/^\((.*)\)$/, '$1')
  const metrics: Metrics = Object.create(null) as Metrics
  for (const part of body.replace(/\/$/, '').split('/')) {
    const [name, value, more] = part.split(':')
    if (!name || value === undefined || more !== undefined || name in metrics) return undefined
    metrics[name] = value
  }
  for (const [name, allowed] of Object.entries(REQUIRED[major]!)) if (!fits(metrics[name], allowed)) return undefined
  if (major === '4')
    for (const [name, allowed] of Object.entries(OPTIONAL_4))
      if (metrics[name] !== undefined && !fits(metrics[name], allowed)) return undefined
  return { major, minor: version?.[1]?.[2] ?? '0', metrics }
}

/** CVSS v2.0 guide, section 3.2.1. */
function score2({ AV, AC, Au, C, I, A }: Metrics): number {
  const impacts = { N: 0, P: 0.275, C: 0.66 } as Record<string, number>
  const impact = 10.41 * (1 - (1 - impacts[C!]!) * (1 - impacts[I!]!) * (1 - impacts[A!]!))
  const access = ({ L: 0.395, A: 0.646, N: 1 } as Record<string, number>)[AV!]!
  const complexity = ({ H: 0.35, M: 0.61, L: 0.71 } as Record<string, number>)[AC!]!
  const authentication = ({ M: 0.45, S: 0.56, N: 0.704 } as Record<string, number>)[Au!]!
  const exploitability = 20 * access * complexity * authentication
  const score = (0.6 * impact + 0.4 * exploitability - 1.5) * (impact === 0 ? 0 : 1.176)
  return Math.round(score * 10) / 10
}

/** v3.1, appendix A: rounding up that does not depend on the last bits of a binary fraction. */
function roundUp31(value: number): number {
  const hundredThousandths = Math.round(value * 100_000)
  return hundredThousandths % 10_000 === 0
    ? hundredThousandths / 100_000
    : (Math.floor(hundredThousandths / 10_000) + 1) / 10
}

/** CVSS v3.1 specification, section 7.1; v3.0 differs in the rounding only. */
function score3({ AV, AC, PR, UI, S, C, I, A }: Metrics, minor: string): number {
  const changed = S === 'C'
  const impacts = { H: 0.56, L: 0.22, N: 0 } as Record<string, number>
  const base = 1 - (1 - impacts[C!]!) * (1 - impacts[I!]!) * (1 - impacts[A!]!)
  const impact = changed ? 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 : 6.42 * base
  if (impact <= 0) return 0
  const vector = ({ N: 0.85, A: 0.62, L: 0.55, P: 0.2 } as Record<string, number>)[AV!]!
  const complexity = AC === 'L' ? 0.77 : 0.44
  const privileges = ({ N: 0.85, L: changed ? 0.68 : 0.62, H: changed ? 0.5 : 0.27 } as Record<string, number>)[PR!]!
  const exploitability = 8.22 * vector * complexity * privileges * (UI === 'N' ? 0.85 : 0.62)
  const score = Math.min(10, (changed ? 1.08 : 1) * (impact + exploitability))
  return minor === '0' ? Math.ceil(score * 10) / 10 : roundUp31(score)
}

/**
 * The base score of a CVSS vector of any version, undefined when it is not one. Threat and environmental metrics of
 * v2 and v3 are ignored; those of v4.0 are part of its one score, as its calculator has it.
 *
 * @example cvssScore('CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H') // 9.8
 */
export function cvssScore(vector: string): number | undefined {
  const parsed = parseVector(vector.trim())
  if (!parsed) return undefined
  if (parsed.major === '2') return score2(parsed.metrics)
  return parsed.major === '3' ? score3(parsed.metrics, parsed.minor) : scoreCvss4(parsed.metrics)
}

/**
 * The score of what a record or an enrichment says of a flaw: the one published beside the vector if there is one, else
 * the vector's own. Undefined for words and for what is no vector.
 */
export function scoreOf(said: { type: string; score: string; listed?: number }): number | undefined {
  return said.listed ?? (said.type.startsWith('CVSS') ? cvssScore(said.score) : undefined)
}

/** Qualitative ratings of CVSS v3.1 section 5 and v4.0 section 6; "None" (0.0) is our Negligible. */
export function severityOfScore(score: number): Severity {
  if (score >= 9) return 'Critical'
  if (score >= 7) return 'High'
  if (score >= 4) return 'Medium'
  return score > 0 ? 'Low' : 'Negligible'
}

const WORDS: ReadonlyMap<string, Severity> = new Map([
  ['critical', 'Critical'],
  ['emergency', 'Critical'],
  ['high', 'High'],
  ['important', 'High'],
  ['medium', 'Medium'],
  ['moderate', 'Medium'],
  ['low', 'Low'],
  ['minor', 'Low'],
  ['negligible', 'Negligible'],
  ['unimportant', 'Negligible'],
  ['none', 'Negligible'],
])

/** The publisher's own word as a severity; undefined when it says nothing ("not yet assigned"). */
export const severityOfWord = (word: string): Severity | undefined => WORDS.get(word.trim().toLowerCase())
