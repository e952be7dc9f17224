/**
 * An SBOM (CycloneDX or SPDX, JSON) as the inventory of an image, to be matched as if the image had been read.
 *
 * Coverage is told honestly: a list of packages does not say what was overlooked, so a report from one is `partial`,
 * unless the document states that it is complete, or is one of ours, which lists its gaps.
 */
import type { Limits } from '../../config.ts'
import { LongshoreError } from '../../errors.ts'
import { sha256 } from '../../oci/digest.ts'
import { distributionOf } from '../distribution.ts'
import { Gaps } from '../gaps.ts'
import { ANALYZER_VERSION, type ImageInventory, type ImagePackage } from '../model.ts'
import { readJson } from '../packages/json.ts'
import { OS_KINDS } from '../packages/kinds.ts'
import { showPath } from '../paths.ts'
import { type Purl, parsePurl } from '../purl.ts'
import { readCycloneDx } from './cyclonedx.ts'
import type { SbomDocument, SbomItem } from './document.ts'
import { textOf } from './json-fields.ts'
import { distroOf, namedOs } from './sbom-os.ts'
import { isShort, isShortItem, isShortPackage, kindOf, packageOf } from './sbom-package.ts'
import { readSpdx } from './spdx.ts'

export interface ReadSbom {
  /** What the SBOM says it is about; its own name when it does not. */
  image: string
  inventory: ImageInventory
}

/** Types of package URLs that name the image or a file, not a package in it. */
const NO_PACKAGES = new Set(['oci', 'docker'])
/** Names listed in one sentence. */
const NAMES_MAX = 5

/**
 * @param name of the file, for messages and as the path of packages without one
 * @throws LongshoreError `invalid-value` when it is no SBOM of a known kind
 */
export function readSbom(bytes: Uint8Array, name: string, limits: Limits): ReadSbom {
  const document = readDocument(bytes, name, limits)
  const gaps = new Gaps(limits.gapsMax)
  for (const gap of document.gaps) gaps.add(gap)
  if (document.completeness === 'unknown')
    gaps.add(`The SBOM${by(document)} does not say that it is complete, so packages may be missing from it`)
  if (document.unnamed.length > 0)
    gaps.add(`${count(document.unnamed)} without a package URL cannot be judged: ${listed(document.unnamed)}`)

  const long: string[] = []
  const parsed: { item: SbomItem; purl: Purl | undefined }[] = []
  for (const item of document.items) {
    const purl = parsePurl(item.purl)
    if (isShortItem(item, purl, limits)) parsed.push({ item, purl })
    else long.push(item.names[0] || item.purl)
  }
  const os = osOf(document, parsed)
  const packages: ImagePackage[] = []
  const strange: string[] = []
  const unversioned: string[] = []
  const others = new Map<string, string[]>()
  for (const { item, purl } of parsed) {
    if (!purl) {
      strange.push(item.purl)
      continue
    }
    const kind = kindOf(purl)
    if (!kind) {
      if (!NO_PACKAGES.has(purl.type)) listIn(others, purl.type).push(purl.name)
      continue
    }
    if (packages.length >= limits.packagesMax) {
      gaps.add(`the SBOM has more than ${limits.packagesMax} packages; the rest was not judged`)
      break
    }
    const pack = packageOf(item, purl, kind, os, name)
    if (!isShortPackage(pack)) {
      long.push(item.names[0] || item.purl)
      continue
    }
    if (pack.version === '' && document.completeness !== 'ours') unversioned.push(pack.name)
    packages.push(pack)
  }
  if (strange.length > 0)
    gaps.add(`${count(strange)} with something that is no package URL cannot be judged: ${listed(strange)}`)
  if (long.length > 0)
    gaps.add(`${count(long)} with a name, version, source or place that is too long cannot be judged: ${listed(long)}`)
  if (unversioned.length > 0)
    gaps.add(`${count(unversioned)} without a version cannot be judged: ${listed(unversioned)}`)
  for (const [type, names] of others) gaps.add(`${count(names)} of the type ${type} cannot be judged: ${listed(names)}`)
  if (document.completeness !== 'ours') for (const gap of osGaps(packages, parsed, os)) gaps.add(gap)

  const digest = document.digest ?? sha256(bytes)
  const platform = document.platform ?? 'unknown'
  // Ours of what was no image: neither a platform nor anything in it.
  const ofArtifact = document.completeness === 'ours' && platform === 'unknown' && document.items.length === 0
  return {
    image: document.image || name,
    inventory: {
      analyzer: ANALYZER_VERSION,
      digest,
      platform,
      ...(os ? { os } : {}),
      packages,
      layers: document.layers ?? [],
      gaps: gaps.list(),
      kind: ofArtifact ? 'artifact' : 'image',
    },
  }
}

function readDocument(bytes: Uint8Array, name: string, limits: Limits): SbomDocument {
  let json: unknown
  try {
    json = readJson(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  } catch {
    throw invalid(name, 'it is not JSON')
  }
  if (textOf(json, 'bomFormat') === 'CycloneDX') {
    const version = textOf(json, 'specVersion') ?? ''
    if (!/^1\.[2-7]$/.test(version))
      throw invalid(name, `it is CycloneDX ${showPath(version)}; versions 1.2 to 1.7 are read`)
    return readCycloneDx(json, limits)
  }
  const version = textOf(json, 'spdxVersion')
  if (version !== undefined) {
    if (!/^SPDX-2\.[23]$/.test(version))
      throw invalid(name, `it is ${showPath(version)}; SPDX-2.2 and SPDX-2.3 are read`)
    return readSpdx(json)
  }
  throw invalid(name, 'it is neither CycloneDX nor SPDX 2 in JSON (no "bomFormat", no "spdxVersion")')
}

const invalid = (name: string, why: string): LongshoreError =>
  new LongshoreError('invalid-value', `${name} cannot be read as an SBOM: ${why}`)

function listIn(lists: Map<string, string[]>, key: string): string[] {
  const known = lists.get(key)
  if (known) return known
  const fresh: string[] = []
  lists.set(key, fresh)
  return fresh
}

const by = ({ tool }: SbomDocument): string => (tool === undefined ? '' : ` by ${showPath(tool)}`)
const count = (names: readonly string[]): string => `${names.length} component${names.length === 1 ? '' : 's'}`
const listed = (names: readonly string[]): string =>
  names.slice(0, NAMES_MAX).map(showPath).join(', ') + (names.length > NAMES_MAX ? ', ...' : '')

/** The distribution the document names, else the one most of its OS packages name. */
function osOf(document: SbomDocument, parsed: readonly { purl: Purl | undefined }[]): ImageInventory['os'] {
  const told = isShort(document.os?.id) && isShort(document.os?.version) ? document.os : undefined
  if (document.completeness === 'ours') return told
  if (told && told.id !== '') return namedOs(told)
  const votes = new Map<string, { os: { id: string; version: string }; votes: number }>()
  for (const { purl } of parsed) {
    const kind = purl && kindOf(purl)
    const os = kind && OS_KINDS.has(kind) ? distroOf(purl) : undefined
    if (!os) continue
    const key = `${os.id} ${os.version}`
    const known = votes.get(key)
    if (known) known.votes++
    else votes.set(key, { os, votes: 1 })
  }
  return [...votes.values()].reduce<{ os?: { id: string; version: string }; votes: number }>(
    (best, one) => (one.votes > best.votes ? one : best),
    { votes: 0 },
  ).os
}

/** What is only to be doubted of SBOMs that others wrote. */
function* osGaps(
  packages: readonly ImagePackage[],
  parsed: readonly { purl: Purl | undefined }[],
  os: ImageInventory['os'],
): Generator<string> {
  const ofOs = packages.filter(({ kind }) => OS_KINDS.has(kind))
  if (!os || ofOs.length === 0) return
  const distribution = distributionOf(os)
  if (!('gap' in distribution) && distribution.subject === 'source' && !ofOs.some(({ source }) => source))
    yield `No OS package names the source package it is built from, by which ${distribution.ecosystems[0]} names its flaws: findings may be missing`
  const foreign = parsed.filter(({ purl }) => {
    const kind = purl && kindOf(purl)
    const distro = kind && OS_KINDS.has(kind) ? distroOf(purl) : undefined
    return distro && distro.version !== '' && distro.id !== os.id
  })
  if (foreign.length > 0)
    yield `Packages of other distributions than ${os.id} (${foreign.length}) are judged as if they were its own`
}
