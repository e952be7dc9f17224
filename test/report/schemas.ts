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

const sarif = compiled(require.resolve('@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json'))

/** What is wrong by the SARIF 2.1.0 schema (rtm.5, the one GitHub checks by), as Microsoft's SARIF SDK ships it. */
export function sarifProblems(text: string): unknown {
  sarif(JSON.parse(text))
  return sarif.errors ?? null
}

function compiled(path: string) {
  const { $schema: _, id: __, ...schema } = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>
  const ajv = new Ajv({ strict: false, allErrors: true, unicodeRegExp: false })
  addFormats.default(ajv)
  return ajv.compile(schema)
}
