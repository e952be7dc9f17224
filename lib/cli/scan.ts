/** `longshore scan`: one image, here and now. No service is needed; what was read before is not read again. */
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { readLimits } from '../config.ts'
import { LongshoreError } from '../errors.ts'
import { SEVERITIES, type Severity } from '../glossary.ts'
import { tellAge } from '../report/age.ts'
import { FORMATS, selectFindings } from '../report/index.ts'
import type { Report } from '../report/model.ts'
import { applyExceptions } from '../scan/exceptions/apply.ts'
import type { ExceptionRule } from '../scan/exceptions/model.ts'
import { PLATFORM_PATTERN } from '../scan/platform.ts'
import { beginGunzip } from '../scan/unpack/gunzip.ts'
import { defineCommand } from './command.ts'
import { dataBlobs, dataOption } from './data.ts'

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
    'Exit codes: 0 done, 1 found what --fail-on says, 2 usage, 3 not foreseen, 4 no such image, 5 credentials,',
    '6 registry or content.',
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
    const rules: ExceptionRule[] = []
    for (const file of given['ignore-file'] ?? []) rules.push(...(await rulesOf(file, 'ignore-file')))
    for (const file of given.vex ?? []) rules.push(...(await rulesOf(file, 'vex')))
    if (given.output !== undefined) checkOutput(given.output)
    const blobs = await dataBlobs(given.data, env)
    const tell = given.quiet ? () => {} : err
    // The thread takes as long to begin as the rest does to load.
    if (!operand.startsWith('sbom:')) beginGunzip()
    const { scanInput } = await import('./scan-input.ts')
    const { report: built, warning } = await scanInput(operand, { env, limits, blobs, platform, tell })
    // Of what could not be read there is one sentence, and it is the last.
    if (warning) err(`warning: ${warning}`)
    const now = Date.now()
    const judged = tellAge(applyExceptions(built, rules, now), now, limits.advisoriesAgeDaysMax)
    const text = format.write(
      selectFindings(judged, { fixable: given.fixable === true, ...(severity ? { severity } : {}) }),
    )
    if (given.output === undefined) out(text.replace(/\n$/, ''))
    else writeOutput(given.output, text)
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

async function rulesOf(file: string, from: 'ignore-file' | 'vex'): Promise<ExceptionRule[]> {
  const found = statSync(file, { throwIfNoEntry: false })
  if (!found) throw new LongshoreError('invalid-value', `there is no file ${file} (--${from})`)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    throw new LongshoreError('invalid-value', `${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  // Lines of any text would pass for ids to be ignored, and nobody would learn that the document was another.
  if (from === 'vex' && !/^\s*\{/.test(text.replace(/^\ufeff/, '')))
    throw new LongshoreError(
      'invalid-value',
      `${file} is neither OpenVEX nor CycloneDX; an ignore file is for --ignore-file`,
    )
  return (await import('../scan/exceptions/read.ts')).readExceptions(file, text)
}

/** Before a scan that may take minutes. */
function checkOutput(file: string): void {
  const folder = dirname(resolve(file))
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw new LongshoreError('invalid-value', `${file} cannot be written: there is no folder ${folder}`)
  if (statSync(file, { throwIfNoEntry: false })?.isDirectory())
    throw new LongshoreError('invalid-value', `${file} cannot be written: it is a folder`)
}

function writeOutput(file: string, text: string): void {
  try {
    writeFileSync(file, text)
  } catch (cause) {
    throw new LongshoreError('invalid-value', `${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
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
