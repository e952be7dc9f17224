/** Published schemas as validators: what stands in packages on npm, and no copy of ours. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Spec, Validation } from '@cyclonedx/cyclonedx-library'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'

const require = createRequire(import.meta.url)

/** What is wrong with a CycloneDX 1.6 document by the strict schema of its publisher; null when nothing is. */
export const cycloneDxProblems = (text: string): Promise<unknown> =>
  new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(text)

/** The SARIF 2.1.0 schema (rtm.5, the one GitHub checks by), as Microsoft's SARIF SDK ships it. */
export function sarifProblems(text: string): unknown {
  const path = require.resolve('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json')
  const { $schema: _, id: __, ...schema } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false })
  addFormats.default(ajv)
  const validate = ajv.compile(schema)
  validate(JSON.parse(text))
  return validate.errors ?? null
}
