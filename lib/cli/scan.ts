/** `longshore scan`: one image, here and now. No service is needed; what was read before is not read again. */
import { readFileSync, writeFileSync } from 'node:fs'
import { readLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { SEVERITIES, type Severity } from '../glossary.ts'
import { tellAge } from '../report/age.ts'
import { FORMATS, selectFindings } from '../report/index.ts'
import type { Report } from '../report/model.ts'
import { applyExceptions } from '../scan/exceptions/apply.ts'
import type { ExceptionRule } from '../scan/exceptions/model.ts'
import { readExceptions } from '../scan/exceptions/read.ts'
import { buildReport } from '../scan/match.ts'
import { PLATFORM_PATTERN } from '../scan/platform.ts'
import { defineCommand } from './command.ts'
import { dataBlobs, dataOption } from './data.ts'
import { chooseAdvisories } from './scan-advisories.ts'
import { readInput } from './scan-input.ts'

const formats = FORMATS.map(({ format }) => format).join(', ')
const severities = SEVERITIES.join(', ')

/** Of a scan that found what it was asked to fail on, as with other scanners. */
const FOUND = 1

export const scan = defineCommand({
  name: 'scan',
  summary: 'Scans an image for known vulnerabilities and writes the report.',
  operand: 'IMAGE',
  options: {
    format: { type: 'string', value: 'FORMAT', help: `One of ${formats}; else table.` },
    output: { type: 'string', value: 'FILE', help: 'Where the report goes; else to standard output.' },
    platform: { type: 'string', value: 'OS/ARCH', help: 'Of a multi-platform image; else linux/amd64.' },
    fixable: { type: 'boolean', help: 'Only findings with a fixed version.' },
    severity: { type: 'string', value: 'LIST', help: `Only these, with commas between: ${severities}.` },
    'fail-on': { type: 'string', value: 'SEVERITY', help: 'Exit code 1 when a finding is of this severity or worse.' },
    'ignore-file': {
      type: 'string',
      value: 'FILE',
      multiple: true,
      help: 'What is accepted: .trivyignore, .trivyignore.yaml or our JSON.',
    },
    vex: { type: 'string', value: 'FILE', multiple: true, help: 'OpenVEX or CycloneDX VEX.' },
    data: dataOption,
    quiet: { type: 'boolean', help: 'Says nothing but the report, warnings and errors.' },
  },
  notes: [
    'IMAGE is one of',
    '  registry/repository:tag          credentials from LONGSHORE_REGISTRIES',
    '  oci:PATH[:NAME]                  an OCI layout, a folder or a tar of it',
    '  docker-archive:FILE[:NAME]       what docker save wrote',
    '  sbom:FILE                        CycloneDX or SPDX, JSON',
    '',
    '--fail-on counts what no exception covers; with --fixable only what can be fixed. --severity changes what is shown,',
    'not what is counted. Unknown is worse than nothing only for --fail-on unknown.',
    'Exit codes: 0 done, 1 found what --fail-on says, 2 usage, 4 no such image, 5 credentials, 6 registry or content.',
  ],
  async run(given, { env, out, err }, operand) {
    const limits = readLimits(env)
    const format = formatOf(given.format ?? 'table')
    const severity = given.severity === undefined ? undefined : given.severity.split(',').map(severityOf)
    const failOn = given['fail-on'] === undefined ? undefined : severityOf(given['fail-on'])
    const { platform } = given
    if (platform !== undefined && !PLATFORM_PATTERN.test(platform))
      throw new LongshoreError('invalid-value', `"${platform}" is not a platform; write linux/amd64 or the like`)
    // Read before anything is pulled: a mistake in a file is told at once.
    const rules = [...(given['ignore-file'] ?? []), ...(given.vex ?? [])].flatMap(rulesOf)
    const blobs = dataBlobs(given.data, env)
    const tell = given.quiet ? () => {} : err

    const { database, warning } = await chooseAdvisories(blobs, limits)
    if (warning) err(`warning: ${warning}`)
    const { image, inventory } = await readInput(operand, { env, limits, blobs, platform, tell })
    const built = await buildReport({ image, inventory, database, ownedJudged: limits.ownedPackagesJudged === 1 })
    const now = Date.now()
    const judged = tellAge(applyExceptions(built, rules, now), now, limits.advisoriesAgeDaysMax)
    const text = format.write(
      selectFindings(judged, { fixable: given.fixable === true, ...(severity ? { severity } : {}) }),
    )
    if (given.output === undefined) out(text.replace(/\n$/, ''))
    else writeFileSync(given.output, text)
    return failOn === undefined ? undefined : verdict(judged, failOn, given.fixable === true, err)
  },
})

function formatOf(name: string): (typeof FORMATS)[number] {
  const format = FORMATS.find((one) => one.format === name)
  if (!format) throw new LongshoreError('unsupported-format', `"${name}" is not a report format; known: ${formats}`)
  return format
}

function severityOf(word: string): Severity {
  const severity = SEVERITIES.find((one) => one.toLowerCase() === word.trim().toLowerCase())
  if (!severity) throw new LongshoreError('invalid-value', `"${word}" is not a severity; known: ${severities}`)
  return severity
}

function rulesOf(file: string): ExceptionRule[] {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LongshoreError('invalid-value', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  return readExceptions(file, text)
}

/** The exit code. A report that could not see everything proves nothing by being empty, and that is said. */
function verdict(
  { findings, coverage }: Report,
  failOn: Severity,
  fixable: boolean,
  err: (line: string) => void,
): number | undefined {
  const counted = SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1)
  const found = findings.filter(
    (one) => counted.includes(one.severity) && (!fixable || one.fixedVersion !== undefined),
  ).length
  if (coverage !== 'full') err(`warning: coverage is ${coverage}; the report says what could not be judged`)
  if (found === 0) return undefined
  const worse = failOn === 'Critical' ? failOn : `${failOn} or worse`
  err(`longshore: ${found} finding${found === 1 ? ' is' : 's are'} ${worse} (--fail-on)`)
  return FOUND
}
