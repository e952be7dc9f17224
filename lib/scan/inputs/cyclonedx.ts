/**
 * CycloneDX as JSON, 1.2 to 1.7: what changed between them (`tools`, `evidence`) is not needed, or read in both forms.
 * The properties of Trivy and of Syft are understood, because without the source package of an OS package the
 * advisories of its distribution cannot be found.
 */
import type { Limits } from '../../config.ts'
import { isDigest } from '../../oci/digest.ts'
import { parsePurl } from '../purl.ts'
import { isOfImage, type SbomDocument, type SbomItem } from './document.ts'
import { listOf, own, propertiesOf, textOf } from './json-fields.ts'

const TRIVY = 'aquasecurity:trivy:'
/** Components that are no packages: files, keys, models, and the application a list of packages belongs to. */
const NO_PACKAGES = new Set(['file', 'data', 'cryptographic-asset', 'machine-learning-model', 'device', 'platform'])
const OS_TYPE = 'operating-system'

/** Nothing is thrown: what is not there, or is not what it should be, is not read. */
export function readCycloneDx(bom: unknown, limits: Limits): SbomDocument {
  const metadata = own(bom, 'metadata')
  const root = own(metadata, 'component')
  const said = propertiesOf(metadata)
  const tool = toolOf(metadata)
  const isOurs = tool === 'longshore' && said.has('longshore:platform')
  const document: SbomDocument = {
    image: textOf(root, 'name') ?? '',
    ...imageOf(root),
    items: [],
    unnamed: [],
    gaps: gapsOf(metadata),
    layers: layersOf(metadata),
    completeness: isOurs ? 'ours' : isComplete(bom, root) ? 'stated' : 'unknown',
    ...(tool === undefined ? {} : { tool }),
  }
  const platform = said.get('longshore:platform')
  if (platform !== undefined) document.platform = platform

  // Components nest without bound in the format. Those at one depth are one round.
  let level = [...listOf(bom, 'components')]
  if (textOf(root, 'type') === OS_TYPE) level.push(root)
  else level.push(...listOf(root, 'components'))
  for (let depth = 0; level.length > 0; depth++) {
    if (depth === limits.sbomDepthMax) {
      document.gaps.push(`components nested deeper than ${limits.sbomDepthMax} (limit sbomDepthMax) were not read`)
      break
    }
    const next: unknown[] = []
    for (const component of level) {
      add(document, component)
      for (const child of listOf(component, 'components')) next.push(child)
    }
    level = next
  }
  return document
}

function add(document: SbomDocument, component: unknown): void {
  const type = textOf(component, 'type') ?? ''
  const name = textOf(component, 'name') ?? ''
  const properties = propertiesOf(component)
  if (type === OS_TYPE) {
    const id = properties.get('syft:distro:id') ?? name
    const version = properties.get('syft:distro:versionID') ?? textOf(component, 'version') ?? ''
    if (document.os && (document.os.id !== id || document.os.version !== version))
      document.gaps.push(`the SBOM names more than one operating system; ${id} ${version} was not looked at`)
    document.os ??= { id, version }
    return
  }
  const purl = textOf(component, 'purl')
  if (purl !== undefined) document.items.push(itemOf(component, name, purl, properties))
  // An application without a package URL is, to Trivy, the lock file that its packages stand in.
  else if (!NO_PACKAGES.has(type) && !properties.has(`${TRIVY}Class`)) document.unnamed.push(name)
}

function itemOf(component: unknown, name: string, purl: string, properties: Map<string, string>): SbomItem {
  const group = textOf(component, 'group')
  const location =
    textOf(own(listOf(own(component, 'evidence'), 'occurrences'), '0'), 'location') ??
    properties.get(`${TRIVY}FilePath`) ??
    properties.get('syft:location:0:path')
  const layer = properties.get(`${TRIVY}LayerDiffID`) ?? properties.get('syft:location:0:layerID')
  const source = sourceOf(properties)
  return {
    names: group === undefined ? [name] : [`${group}:${name}`, `${group}/${name}`, name],
    version: textOf(component, 'version') ?? '',
    purl,
    ...(location === undefined ? {} : { path: location.replace(/^\//, '') }),
    ...(layer === undefined ? {} : { layer }),
    ...(source === undefined ? {} : { source }),
    ...(properties.get('longshore:owned') === 'true' ? { owned: true } : {}),
  }
}

/** Trivy takes a version apart; we write it whole. */
function sourceOf(properties: Map<string, string>): SbomItem['source'] {
  const name = properties.get(`${TRIVY}SrcName`)
  const version = properties.get(`${TRIVY}SrcVersion`)
  if (name === undefined || version === undefined) return undefined
  const epoch = properties.get(`${TRIVY}SrcEpoch`)
  const release = properties.get(`${TRIVY}SrcRelease`)
  return { name, version: `${epoch ? `${epoch}:` : ''}${version}${release ? `-${release}` : ''}` }
}

/** Digest and architecture, from the version or the package URL of the image itself. */
function imageOf(root: unknown): { digest?: string; platform?: string } {
  const purl = parsePurl(textOf(root, 'purl') ?? '')
  const digest = [textOf(root, 'version'), purl?.version].find((one) => one !== undefined && isDigest(one))
  const architecture = purl?.qualifiers.get('arch')
  return {
    ...(digest === undefined ? {} : { digest }),
    ...(architecture === undefined ? {} : { platform: `linux/${architecture}` }),
  }
}

const gapsOf = (metadata: unknown): string[] =>
  listOf(metadata, 'properties').flatMap((property) => {
    const gap = textOf(property, 'name') === 'longshore:gap' ? textOf(property, 'value') : undefined
    return gap !== undefined && isOfImage(gap) ? [gap] : []
  })

const layersOf = (metadata: unknown): SbomDocument['layers'] =>
  listOf(metadata, 'properties').flatMap((property) => {
    const layer = textOf(property, 'name') === 'longshore:layer' ? textOf(property, 'value') : undefined
    const [digest = '', diffId = '', ...more] = layer?.split(' ') ?? []
    return isDigest(digest) && isDigest(diffId) && more.length === 0 ? [{ digest, diffId }] : []
  })

/** A list of tools (until 1.4), or an object with components (since 1.5). */
function toolOf(metadata: unknown): string | undefined {
  const tools = own(metadata, 'tools')
  return textOf(own(Array.isArray(tools) ? tools : listOf(tools, 'components'), '0'), 'name')
}

/** Whether the document says of all it is about that nothing is missing. */
function isComplete(bom: unknown, root: unknown): boolean {
  const ref = textOf(root, 'bom-ref')
  const about = listOf(bom, 'compositions').filter((one) => {
    const assemblies = listOf(one, 'assemblies')
    return assemblies.length === 0 || (ref !== undefined && assemblies.includes(ref))
  })
  return about.length > 0 && about.every((one) => textOf(one, 'aggregate') === 'complete')
}
