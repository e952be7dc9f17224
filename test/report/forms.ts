/**
 * The forms of formats whose publishers ship no schema in a package of npm: SPDX 2.3 (its clauses 6, 7 and 11), Harbor's
 * scanner API 1.1, the JSON of Trivy (its Go types, which readers share). Written by hand, as strict as they can be: a
 * field that the format does not know is a problem.
 */
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'

type Schema = Record<string, unknown>

const text = { type: 'string' }
const filled = { type: 'string', minLength: 1 }
const uri = { type: 'string', format: 'uri' }
const time = { type: 'string', format: 'date-time' }
const digest = { type: 'string', pattern: '^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$' }
const word = (...words: string[]): Schema => ({ enum: words })
const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more })
/** Fields that end in `!` are required; others are not known. */
const object = (fields: Record<string, Schema>): Schema => ({
  type: 'object',
  additionalProperties: false,
  properties: Object.fromEntries(Object.entries(fields).map(([name, schema]) => [name.replace('!', ''), schema])),
  required: Object.keys(fields).flatMap((name) => (name.endsWith('!') ? [name.slice(0, -1)] : [])),
})

const unknownLicence = word('NOASSERTION', 'NONE')
const spdxId = { type: 'string', pattern: '^SPDXRef-[A-Za-z0-9.-]+$' }

const spdx = object({
  'spdxVersion!': word('SPDX-2.3'),
  'dataLicense!': word('CC0-1.0'),
  'SPDXID!': word('SPDXRef-DOCUMENT'),
  'name!': filled,
  'documentNamespace!': { type: 'string', format: 'uri', pattern: '^[^#]+$' },
  'creationInfo!': object({
    'created!': { type: 'string', pattern: '^\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\dZ$' },
    'creators!': list({ type: 'string', pattern: '^(Tool|Organization|Person): .' }, { minItems: 1 }),
    comment: text,
  }),
  packages: list(
    object({
      'SPDXID!': spdxId,
      'name!': text,
      versionInfo: text,
      'downloadLocation!': { type: 'string', pattern: '^(NOASSERTION|NONE|\\w+:)' },
      // What is not analysed has no files, and says nothing of theirs (7.8.4).
      'filesAnalyzed!': { const: false },
      licenseConcluded: unknownLicence,
      licenseDeclared: unknownLicence,
      copyrightText: text,
      checksums: list(
        object({
          'algorithm!': word('SHA256', 'SHA512'),
          'checksumValue!': { type: 'string', pattern: '^([0-9a-f]{64}|[0-9a-f]{128})$' },
        }),
        { minItems: 1 },
      ),
      sourceInfo: text,
      comment: text,
      externalRefs: list({
        anyOf: [
          object({
            'referenceCategory!': word('PACKAGE-MANAGER'),
            'referenceType!': word('purl'),
            'referenceLocator!': { type: 'string', pattern: '^pkg:[a-z]+/\\S+$' },
          }),
          object({
            'referenceCategory!': word('SECURITY'),
            'referenceType!': word('advisory', 'fix', 'url'),
            'referenceLocator!': { type: 'string', format: 'uri', pattern: '^https?:' },
            comment: text,
          }),
        ],
      }),
      primaryPackagePurpose: word('CONTAINER', 'OPERATING-SYSTEM', 'LIBRARY'),
    }),
  ),
  relationships: list(
    object({
      'spdxElementId!': spdxId,
      'relatedSpdxElement!': spdxId,
      'relationshipType!': word('DESCRIBES', 'CONTAINS'),
    }),
    { uniqueItems: true },
  ),
})

const harborSeverity = word('Unknown', 'Negligible', 'Low', 'Medium', 'High', 'Critical')
const harbor = object({
  'generated_at!': time,
  'artifact!': object({ 'repository!': text, 'digest!': digest, tag: filled, mime_type: text }),
  'scanner!': object({ 'name!': filled, 'vendor!': filled, 'version!': filled }),
  'severity!': harborSeverity,
  'vulnerabilities!': list(
    object({
      'id!': text,
      'package!': text,
      'version!': text,
      'fix_version!': text,
      'severity!': harborSeverity,
      status: text,
      'description!': text,
      'links!': list(uri),
      layer: object({ digest, 'diff_id!': digest }),
      preferred_cvss: object({
        score_v3: { type: 'number' },
        score_v2: { type: 'number' },
        vector_v3: text,
        vector_v2: text,
      }),
      cwe_ids: list(text),
      vendor_attributes: { type: 'object' },
    }),
  ),
  // Not in the API: what it has no field for. It forbids no further fields, and Harbor's reader passes over them.
  vendor_attributes: object({ 'revision!': filled, 'coverage!': word('full', 'partial', 'none'), 'gaps!': list(text) }),
})

const trivyLayer = object({ Digest: digest, 'DiffID!': digest })
const identifier = object({ 'PURL!': { type: 'string', pattern: '^pkg:' } })
const trivyVulnerability = object({
  'VulnerabilityID!': text,
  VendorIDs: list(text),
  'PkgID!': text,
  'PkgName!': text,
  PkgPath: text,
  PkgIdentifier: identifier,
  'InstalledVersion!': text,
  FixedVersion: text,
  Status: word('affected', 'fixed'),
  Layer: trivyLayer,
  SeveritySource: { type: 'string', pattern: '^[a-z]+$' },
  PrimaryURL: uri,
  Title: text,
  'Severity!': word('UNKNOWN', 'LOW', 'MEDIUM', 'HIGH', 'CRITICAL'),
  CVSS: {
    type: 'object',
    additionalProperties: object({
      V2Vector: text,
      V3Vector: text,
      V40Vector: text,
      V2Score: { type: 'number' },
      V3Score: { type: 'number' },
      V40Score: { type: 'number' },
    }),
  },
  References: list(uri),
  PublishedDate: time,
})
const trivy = object({
  'SchemaVersion!': { const: 2 },
  'CreatedAt!': time,
  'ArtifactName!': text,
  'ArtifactType!': word('container_image'),
  'Metadata!': object({
    OS: object({ 'Family!': filled, 'Name!': text }),
    RepoTags: list(filled),
    RepoDigests: list(filled),
    DiffIDs: list(digest),
    Layers: list(trivyLayer),
    // Not of Trivy: what it has no field for.
    Longshore: object({ 'Revision!': filled, 'Coverage!': word('full', 'partial', 'none'), 'Gaps!': list(text) }),
  }),
  'Results!': list(
    object({
      'Target!': text,
      'Class!': word('os-pkgs', 'lang-pkgs'),
      'Type!': filled,
      Packages: list(
        object({
          'ID!': text,
          'Name!': text,
          Identifier: identifier,
          'Version!': text,
          SrcName: text,
          SrcVersion: text,
          Layer: trivyLayer,
          FilePath: text,
        }),
      ),
      Vulnerabilities: list(trivyVulnerability, { minItems: 1 }),
      ExperimentalModifiedFindings: list(
        object({
          'Type!': word('vulnerability'),
          'Status!': word('ignored', 'not_affected', 'fixed'),
          'Statement!': text,
          'Source!': text,
          'Finding!': trivyVulnerability,
        }),
      ),
    }),
  ),
})

const ajv = new Ajv({ strict: false, allErrors: true })
addFormats.default(ajv)

const formal = (validate: ValidateFunction, document: string): string[] => {
  validate(JSON.parse(document))
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${JSON.stringify(params)}`.trim(),
  )
}

const validators = { spdx: ajv.compile(spdx), harbor: ajv.compile(harbor), trivy: ajv.compile(trivy) }

export const harborProblems = (document: string): string[] => formal(validators.harbor, document)
export const trivyProblems = (document: string): string[] => formal(validators.trivy, document)

/** Beside the form: no identifier twice, and none that is not there. */
export function spdxProblems(document: string): string[] {
  const problems = formal(validators.spdx, document)
  const { packages = [], relationships = [] } = JSON.parse(document) as {
    packages?: { SPDXID: string }[]
    relationships?: { spdxElementId: string; relatedSpdxElement: string }[]
  }
  const ids = new Set(['SPDXRef-DOCUMENT'])
  for (const { SPDXID } of packages) {
    if (ids.has(SPDXID)) problems.push(`twice: ${SPDXID}`)
    ids.add(SPDXID)
  }
  for (const { spdxElementId, relatedSpdxElement } of relationships)
    for (const id of [spdxElementId, relatedSpdxElement]) if (!ids.has(id)) problems.push(`no such element: ${id}`)
  return problems
}
