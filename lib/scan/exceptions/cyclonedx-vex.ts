/** The analysis of vulnerabilities in a CycloneDX document (VEX, or an SBOM with it): what is not exploitable and why. */
import * as z from 'zod'
import { invalidFile } from './invalid.ts'
import type { ExceptionRule } from './model.ts'

const component = z.looseObject({
  'bom-ref': z.string().optional(),
  name: z.string().optional(),
  version: z.string().optional(),
  purl: z.string().optional(),
  evidence: z
    .looseObject({ occurrences: z.array(z.looseObject({ location: z.string().optional() })).optional() })
    .optional(),
})
type Component = z.infer<typeof component>

const schema = z.looseObject({
  metadata: z.looseObject({ component: component.optional() }).optional(),
  components: z.array(component).optional(),
  vulnerabilities: z
    .array(
      z.looseObject({
        id: z.string().optional(),
        references: z.array(z.looseObject({ id: z.string().optional() })).optional(),
        analysis: z
          .looseObject({
            state: z.string().optional(),
            justification: z.string().optional(),
            response: z.array(z.string()).optional(),
            detail: z.string().optional(),
          })
          .optional(),
        affects: z.array(z.looseObject({ ref: z.string() })).optional(),
      }),
    )
    .optional(),
})

const DECISIONS = new Map<string, ExceptionRule['decision']>([
  ['not_affected', 'not_affected'],
  ['false_positive', 'false_positive'],
  ['resolved', 'fixed'],
  ['resolved_with_pedigree', 'fixed'],
  ['exploitable', 'affected'],
  ['in_triage', 'affected'],
])

/** Throws `invalid-value` naming the file and the place. */
export function readCycloneDxVex(document: unknown, source: string): ExceptionRule[] {
  const parsed = schema.safeParse(document)
  if (!parsed.success) {
    const issue = parsed.error.issues[0]
    throw invalidFile(source, `/${issue?.path.join('/') ?? ''}: ${issue?.message ?? ''}`)
  }
  const { metadata, components = [], vulnerabilities = [] } = parsed.data
  const root = metadata?.component
  const about = root && imageNames(root)
  const known = new Map(components.flatMap((one) => (one['bom-ref'] ? [[one['bom-ref'], one] as const] : [])))
  const times = new Map<string, number>()
  for (const { purl = '' } of components) times.set(purl, (times.get(purl) ?? 0) + 1)
  // A package that is there twice may be exploitable at one place only.
  const placesOf = (ref: string, purl: string): Pick<ExceptionRule, 'paths'> => {
    const locations = (known.get(ref)?.evidence?.occurrences ?? []).flatMap(({ location }) => location ?? [])
    return locations.length && times.get(purl)! > 1 ? { paths: locations } : {}
  }
  return vulnerabilities.flatMap(({ id, references = [], analysis, affects = [] }): ExceptionRule[] => {
    const decision = DECISIONS.get(analysis?.state ?? '')
    const ids = [id, ...references.map((reference) => reference.id)].filter((one) => one !== undefined)
    if (!decision || ids.length === 0) return []
    const said = {
      ids,
      decision,
      reason: analysis?.detail ?? analysis?.justification ?? analysis?.state ?? decision,
      ...(analysis?.justification === undefined ? {} : { justification: analysis.justification }),
      source,
    }
    return affects.flatMap(({ ref }): ExceptionRule[] => {
      if (root && ref === root['bom-ref']) return about ? [{ ...said, within: about }] : []
      const named = purlOf(ref, known)
      if (named === undefined) return []
      if (/^pkg:(?:oci|docker)\//.test(named)) return [{ ...said, within: [named] }]
      return [{ ...said, packages: [named], ...placesOf(ref, named), ...(about ? { within: about } : {}) }]
    })
  })
}

/** What tells one image from another; undefined when the document is about something else, such as an application. */
function imageNames({ purl, version, name }: Component): string[] | undefined {
  if (purl && /^pkg:(?:oci|docker)\//.test(purl)) return [purl]
  if (version?.startsWith('sha256:')) return [version]
  return name && /[/:]/.test(name) ? [name] : undefined
}

/** Of a component of this document, or of another that is linked by a BOM-Link whose reference is a package URL. */
function purlOf(ref: string, known: Map<string, Component>): string | undefined {
  const here = known.get(ref)
  if (here) return here.purl
  if (ref.startsWith('pkg:')) return ref
  if (!ref.startsWith('urn:cdx:')) return undefined
  try {
    const there = decodeURIComponent(ref.slice(ref.indexOf('#') + 1))
    return there.startsWith('pkg:') ? there : undefined
  } catch {
    return undefined
  }
}
