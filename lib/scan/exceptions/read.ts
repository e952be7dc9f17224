/** Any file with exceptions, told apart by its name and its content. */
import * as z from 'zod'
import { readCycloneDxVex } from './cyclonedx-vex.ts'
import { invalidFile } from './invalid.ts'
import type { ExceptionRule } from './model.ts'
import { readOpenVex } from './openvex.ts'
import { exceptionSchema, ruleOfException } from './schema.ts'
import { readTrivyIgnore } from './trivyignore.ts'
import { readTrivyIgnoreYaml } from './trivyignore-yaml.ts'

/** Characters: 10,000 rules with long reasons. */
const FILE_LENGTH_MAX = 8_388_608

const own = z.union([z.array(exceptionSchema), z.strictObject({ exceptions: z.array(exceptionSchema) })])

/**
 * Reads OpenVEX, CycloneDX VEX, `.trivyignore`, `.trivyignore.yaml` and our own JSON (a list of exceptions as
 * `PUT /v1/exceptions/{name}` takes them). Throws `invalid-value` naming the file: half of a file never applies.
 */
export function readExceptions(file: string, text: string): ExceptionRule[] {
  if (text.length > FILE_LENGTH_MAX)
    throw invalidFile(file, `it has ${text.length} characters, ${FILE_LENGTH_MAX} are read`)
  const plain = text.replace(/^\ufeff/, '')
  if (/\.ya?ml$/i.test(file)) return readTrivyIgnoreYaml(plain, file)
  if (!/^\s*[[{]/.test(plain)) {
    if (/\.json$/i.test(file)) throw invalidFile(file, 'it is not JSON')
    return readTrivyIgnore(plain, file)
  }
  let document: unknown
  try {
    document = JSON.parse(plain)
  } catch {
    throw invalidFile(file, 'it is not JSON')
  }
  const { '@context': context, bomFormat } = document as { '@context'?: unknown; bomFormat?: unknown }
  if (typeof context === 'string' && context.includes('openvex')) return readOpenVex(document, file)
  if (bomFormat === 'CycloneDX') return readCycloneDxVex(document, file)
  const parsed = own.safeParse(document)
  if (!parsed.success)
    throw invalidFile(file, 'it is neither OpenVEX nor CycloneDX, nor a list of exceptions with id and reason')
  const list = Array.isArray(parsed.data) ? parsed.data : parsed.data.exceptions
  return list.map((exception) => ruleOfException(exception, file))
}
