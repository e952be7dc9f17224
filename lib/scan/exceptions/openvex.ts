/**
 * OpenVEX documents (https://github.com/openvex/spec, 0.0.1 to 0.2.0). The newest statement about a product and a flaw
 * is the one that holds, so rules come newest first, and one that says "affected" takes back an older "not affected".
 */
import * as z from 'zod'
import { invalidFile } from './invalid.ts'
import type { ExceptionRule } from './model.ts'

const component = z.union([
  z.string(),
  z.looseObject({ '@id': z.string().optional(), identifiers: z.record(z.string(), z.unknown()).optional() }),
])

const product = z.union([
  z.string(),
  z.looseObject({
    '@id': z.string().optional(),
    identifiers: z.record(z.string(), z.unknown()).optional(),
    subcomponents: z.array(component).optional(),
  }),
])

const schema = z.looseObject({
  author: z.string().optional(),
  timestamp: z.string().optional(),
  statements: z.array(
    z.looseObject({
      vulnerability: z.union([
        z.string(),
        z.looseObject({
          '@id': z.string().optional(),
          name: z.string().optional(),
          aliases: z.array(z.string()).optional(),
        }),
      ]),
      products: z.array(product).optional(),
      subcomponents: z.array(component).optional(),
      status: z.enum(['not_affected', 'affected', 'fixed', 'under_investigation']),
      justification: z.string().optional(),
      impact_statement: z.string().optional(),
      status_notes: z.string().optional(),
      timestamp: z.string().optional(),
    }),
  ),
})

type Statement = z.infer<typeof schema>['statements'][number]

/** Throws `invalid-value` naming the file and the place. */
export function readOpenVex(document: unknown, source: string): ExceptionRule[] {
  const parsed = schema.safeParse(document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw invalidFile(source, `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`)
  }
  const { statements, author, timestamp } = parsed.data
  const timeOf = (statement: Statement) => Date.parse(statement.timestamp ?? timestamp ?? '') || 0
  // Of two at the same time the one further down in the document is the later.
  return [...statements]
    .reverse()
    .sort((a, b) => timeOf(b) - timeOf(a))
    .flatMap((statement) => rulesOf(statement, author, source))
}

function rulesOf(statement: Statement, author: string | undefined, source: string): ExceptionRule[] {
  const ids = idsOf(statement.vulnerability)
  // A statement without a product is about nothing that could be looked up here.
  return (statement.products ?? []).flatMap((one): ExceptionRule[] => {
    const names = namesOf(one)
    if (names.length === 0 || ids.length === 0) return []
    const subcomponents = (typeof one === 'string' ? undefined : one.subcomponents) ?? statement.subcomponents ?? []
    const packages = subcomponents.flatMap(namesOf)
    const { status, justification } = statement
    // About parts that we have no name for (a CPE, a hash): what hides must not hide more than was meant.
    if (subcomponents.length > 0 && packages.length === 0 && (status === 'fixed' || status === 'not_affected'))
      return []
    return [
      {
        ids,
        ...(packages.length ? { within: names, packages } : split(names)),
        decision: status === 'under_investigation' ? 'affected' : status,
        reason: statement.impact_statement ?? statement.status_notes ?? justification ?? status,
        ...(justification === undefined ? {} : { justification }),
        ...(author === undefined ? {} : { author }),
        source,
      },
    ]
  })
}

/** A product alone is an image or a package: of an image every package is meant. */
function split(names: string[]): Pick<ExceptionRule, 'within' | 'packages'> {
  const packages = names.filter((name) => name.startsWith('pkg:') && !/^pkg:(?:oci|docker)\//.test(name))
  return packages.length ? { packages } : { within: names }
}

function idsOf(vulnerability: Statement['vulnerability']): string[] {
  if (typeof vulnerability === 'string') return [vulnerability]
  const { name, aliases = [] } = vulnerability
  const last = vulnerability['@id']?.replace(/^.*[/#:]/, '')
  return [name ?? last, ...aliases].filter((id) => id !== undefined && id !== '') as string[]
}

/** The `@id`, and the purl given beside it. */
function namesOf(one: z.infer<typeof component>): string[] {
  if (typeof one === 'string') return [one]
  const purl = one.identifiers?.purl
  return [...new Set([one['@id'], purl])].filter((name): name is string => typeof name === 'string' && name !== '')
}
