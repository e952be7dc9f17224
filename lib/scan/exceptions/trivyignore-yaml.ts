/** `.trivyignore.yaml`: ids with paths, package URLs, a statement and an expiry. Only its vulnerabilities are of our trade. */
import { CST, Lexer, parse } from 'yaml'
import * as z from 'zod'
import { invalidFile } from './invalid.ts'
import type { ExceptionRule } from './model.ts'

/** Of other kinds (secrets, misconfigurations, licences) nothing is found here, so nothing is ignored. */
const schema = z.looseObject({
  vulnerabilities: z
    .array(
      z.looseObject({
        id: z.string().min(1),
        paths: z.array(z.string()).nullish(),
        purls: z.array(z.string()).nullish(),
        statement: z.string().nullish(),
        // YAML 1.1 readers make a date of it, 1.2 leaves the text.
        expired_at: z.string().nullish(),
      }),
    )
    .nullish(),
})

/** Nobody's file is nested so deep; the parser goes as deep as the document, and ends the process rather than throw. */
const DEPTH_MAX = 100
const BLOCKS = new RegExp(`^(?:[ \\t]|[-?][ \\t]){${2 * DEPTH_MAX}}`, 'm')

/** The lexer does not nest: it tells flow collections apart from text that holds brackets. Blocks need columns. */
function isTooDeep(text: string): boolean {
  if (BLOCKS.test(text)) return true
  let depth = 0
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token)
    if (type === 'flow-seq-start' || type === 'flow-map-start') depth++
    else if (type === 'flow-seq-end' || type === 'flow-map-end') depth--
    if (depth > DEPTH_MAX) return true
  }
  return false
}

/** Throws `invalid-value` naming the file and the place. */
export function readTrivyIgnoreYaml(text: string, source: string): ExceptionRule[] {
  if (isTooDeep(text)) throw invalidFile(source, `it is nested deeper than ${DEPTH_MAX}`)
  let document: unknown
  try {
    // Aliases cannot grow a small file beyond what a person writes.
    // Warnings would go to the console, with what stands in the file.
    document = parse(text, { maxAliasCount: 100, logLevel: 'error' })
  } catch (error) {
    throw invalidFile(source, error instanceof Error ? error.message.split('\n')[0]! : 'it is not YAML')
  }
  const parsed = schema.safeParse(document ?? {})
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw invalidFile(source, `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`)
  }
  return (parsed.data.vulnerabilities ?? []).map(({ id, paths, purls, statement, expired_at }) => ({
    ids: [id],
    ...(paths?.length ? { paths } : {}),
    ...(purls?.length ? { packages: purls } : {}),
    decision: 'ignored' as const,
    reason: statement?.trim() || 'no reason is given',
    ...(expired_at ? { expires: expired_at } : {}),
    source,
  }))
}
