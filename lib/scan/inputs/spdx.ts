/** SPDX 2.2 and 2.3 as JSON: packages by their `purl` references; image and distribution by their purpose. */
import { isDigest } from '../../oci/digest.ts'
import { parsePurl } from '../purl.ts'
import { isOfImage, type SbomDocument, type SbomItem } from './document.ts'
import { listOf, own, textOf } from './json-fields.ts'

/** As `writeSpdx` words it. */
const OUR_SOURCE = /^from (.*) in layer (\S*?)(?: of the source package (\S+) (.+))?$/s
/** As Trivy words it. */
const BUILT_FROM = /^built package from: (\S+) (\S+)$/
/** What our comment begins with; the lines after it are gaps. */
const OUR_COMMENT = /^Advisory revision \S+, coverage (?:full|partial|none)$/
/** A path, a layer, a name and a version; longer ones take time to be searched. */
const SOURCE_INFO_CHARACTERS_MAX = 8_192

/** Nothing is thrown: what is not there, or is not what it should be, is not read. */
export function readSpdx(spdx: unknown): SbomDocument {
  const creation = own(spdx, 'creationInfo')
  const creators = listOf(creation, 'creators').filter((one): one is string => typeof one === 'string')
  const tool = creators.find((one) => one.startsWith('Tool: '))?.slice('Tool: '.length)
  const [first = '', ...lines] = (textOf(creation, 'comment') ?? '').split('\n')
  const isOurs = tool?.startsWith('longshore-') === true && OUR_COMMENT.test(first)
  const described = new Set(
    listOf(spdx, 'relationships').flatMap((one) =>
      textOf(one, 'relationshipType') === 'DESCRIBES' ? [textOf(one, 'relatedSpdxElement')] : [],
    ),
  )
  const document: SbomDocument = {
    image: textOf(spdx, 'name') ?? '',
    items: [],
    unnamed: [],
    gaps: isOurs ? lines.filter((line) => line !== '' && isOfImage(line)) : [],
    completeness: isOurs ? 'ours' : 'unknown',
    ...(tool === undefined ? {} : { tool }),
  }
  for (const pack of listOf(spdx, 'packages')) {
    const purpose = textOf(pack, 'primaryPackagePurpose')?.toUpperCase()
    const purl = purlOf(pack)
    if (purpose === 'OPERATING-SYSTEM' || purpose === 'OPERATING_SYSTEM')
      document.os ??= { id: textOf(pack, 'name') ?? '', version: textOf(pack, 'versionInfo') ?? '' }
    else if (purpose === 'CONTAINER' || purl?.startsWith('pkg:oci/') || purl?.startsWith('pkg:docker/'))
      takeImage(document, pack, purl)
    else if (purl !== undefined) document.items.push(itemOf(pack, purl))
    // What the document is about may be a directory or an archive without a package URL.
    else if (purpose !== 'FILE' && purpose !== 'SOURCE' && !described.has(textOf(pack, 'SPDXID')))
      document.unnamed.push(textOf(pack, 'name') ?? '')
  }
  return document
}

const purlOf = (pack: unknown): string | undefined =>
  listOf(pack, 'externalRefs')
    .filter((one) => textOf(one, 'referenceType') === 'purl')
    .map((one) => textOf(one, 'referenceLocator'))
    .find((one) => one !== undefined)

function takeImage(document: SbomDocument, pack: unknown, text: string | undefined): void {
  const purl = parsePurl(text ?? '')
  const digest = [textOf(pack, 'versionInfo'), purl?.version].find((one) => one !== undefined && isDigest(one))
  if (digest !== undefined) document.digest ??= digest
  const architecture = purl?.qualifiers.get('arch')
  if (architecture !== undefined) document.platform ??= `linux/${architecture}`
}

function itemOf(pack: unknown, purl: string): SbomItem {
  const told = textOf(pack, 'sourceInfo') ?? ''
  const sourceInfo = told.length <= SOURCE_INFO_CHARACTERS_MAX ? told : ''
  const [, path, layer, ours, oursVersion] = OUR_SOURCE.exec(sourceInfo) ?? []
  const [, name = ours, version = oursVersion] = BUILT_FROM.exec(sourceInfo) ?? []
  return {
    names: [textOf(pack, 'name') ?? ''],
    version: textOf(pack, 'versionInfo') ?? '',
    purl,
    ...(path === undefined ? {} : { path }),
    ...(layer ? { layer } : {}),
    ...(name !== undefined && version !== undefined ? { source: { name, version } } : {}),
  }
}
