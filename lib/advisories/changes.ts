/** What differs between two revisions: the packages whose images have to be judged again, and no others. */
import type { BlobStore } from '../blobs/port.ts'
import { LongshoreError } from '../errors.ts'
import { differentNames } from './hashes.ts'
import { changesKey, fileKey, type RevisionFile, type RevisionManifest } from './model.ts'
import { readManifest } from './open.ts'

export interface ChangedKey {
  /** As `packageKey` spells it: `Debian:12`, `npm`. */
  ecosystem: string
  /** As `packageKey` spells it, or `*`: every package of the ecosystem, because only one revision has data of it. */
  name: string
}

/** Stands for every package of an ecosystem; no registry has a package of this name. */
export const EVERY_PACKAGE = '*'

const EMPTY = new Uint8Array()

async function bytesOf(blobs: BlobStore, file: RevisionFile | undefined): Promise<Uint8Array> {
  if (!file) return EMPTY
  const bytes = await blobs.get(fileKey(file.sha256))
  if (!bytes)
    throw new LongshoreError('advisories-missing', `${fileKey(file.sha256)} is gone; build the advisories again`)
  return bytes
}

type Files = ReadonlyMap<string, { match?: RevisionFile; hashes?: RevisionFile }>

function filesOf(manifest: RevisionManifest): Files {
  const files = new Map<string, { match?: RevisionFile; hashes?: RevisionFile }>()
  for (const file of manifest.files) {
    if (file.kind === 'details') continue
    files.set(file.ecosystem, { ...files.get(file.ecosystem), [file.kind]: file })
  }
  // A source all of whose records were withdrawn has no file, and yet its packages are judged.
  for (const { ecosystem } of manifest.sources) if (!files.has(ecosystem)) files.set(ecosystem, {})
  return files
}

/**
 * Every package of which the revisions do not say the same: other ranges, or another severity, title, fix or mark of
 * exploitation in what a finding shows. Files that both revisions share are not read. A package that is not named here
 * has equal findings at both revisions. Sorted by ecosystem and name. Throws `advisories-missing` when one is gone.
 */
export async function changedKeys(blobs: BlobStore, before: string, after: string): Promise<ChangedKey[]> {
  if (before === after) return []
  const [older, newer] = (await Promise.all([readManifest(blobs, before), readManifest(blobs, after)])).map(filesOf)
  const changed: ChangedKey[] = []
  for (const ecosystem of [...new Set([...older!.keys(), ...newer!.keys()])].sort()) {
    const [a, b] = [older!.get(ecosystem), newer!.get(ecosystem)]
    // Built before there were hashes: what changed cannot be told.
    const unknown = (a?.match && !a.hashes) || (b?.match && !b.hashes)
    if (!a || !b || unknown) changed.push({ ecosystem, name: EVERY_PACKAGE })
    if (a?.hashes?.sha256 === b?.hashes?.sha256) continue
    const [x, y] = await Promise.all([bytesOf(blobs, a?.hashes), bytesOf(blobs, b?.hashes)])
    for (const name of differentNames(x, y)) changed.push({ ecosystem, name })
  }
  return changed
}

/**
 * The same out of the file that the builder left beside the new revision, if it is there; else computed. The two are
 * equal: revisions never change.
 */
export async function readChangedKeys(blobs: BlobStore, before: string, after: string): Promise<ChangedKey[]> {
  const bytes = await blobs.get(changesKey(before, after))
  if (!bytes) return changedKeys(blobs, before, after)
  const byEcosystem = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, string[]>
  return Object.entries(byEcosystem).flatMap(([ecosystem, names]) => names.map((name) => ({ ecosystem, name })))
}

/** Written by the builder before the pointer moves, so that whoever follows the pointer finds it. */
export async function writeChangedKeys(blobs: BlobStore, before: string, after: string): Promise<number> {
  const changed = await changedKeys(blobs, before, after)
  const byEcosystem = new Map<string, string[]>()
  for (const { ecosystem, name } of changed) {
    const names = byEcosystem.get(ecosystem)
    if (names) names.push(name)
    else byEcosystem.set(ecosystem, [name])
  }
  const content = JSON.stringify(Object.fromEntries(byEcosystem))
  await blobs.put(changesKey(before, after), content, { contentType: 'application/json' })
  return changed.length
}
