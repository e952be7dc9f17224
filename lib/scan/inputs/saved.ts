/** An image that lies in a file or a folder, and how one of several is chosen. */
import { LongshoreError } from '../../errors.ts'
import { showPath } from '../paths.ts'
import type { ImageContent } from '../target.ts'

export interface SavedImage {
  /** For people. */
  image: string
  /** Of the manifest or the index to begin at. */
  digest: string
  content: ImageContent
}

/** Names listed in a message. */
const NAMES_MAX = 10

/** The candidate of this name, with its names that were meant, or the only one. Throws `invalid-value` that lists what is there. */
export function named<T extends { names: string[] }>(
  candidates: readonly T[],
  name: string | undefined,
  where: string,
): T {
  const found =
    name === undefined
      ? candidates
      : candidates
          .map((one) => ({ ...one, names: one.names.filter((full) => means(name, full)) }))
          .filter(({ names }) => names.length > 0)
  if (found.length === 1) return found[0]!
  const names = candidates.flatMap((one) => one.names)
  const list = names.length === 0 ? 'images without a name' : names.slice(0, NAMES_MAX).map(showPath).join(', ')
  throw new LongshoreError(
    'invalid-value',
    candidates.length === 0
      ? `${where} holds no image`
      : `${where} holds ${candidates.length} images: ${list}${names.length > NAMES_MAX ? ', ...' : ''}. ` +
          `${name === undefined ? 'Name one' : `${found.length === 0 ? 'None' : 'More than one'} is ${showPath(name)}; name one`} behind the path, after a colon`,
  )
}

/** In full, without the registry of Docker Hub, or by the tag alone. */
export const means = (name: string, full: string): boolean =>
  full === name || shortName(full) === name || full.endsWith(`:${name}`)

export const shortName = (full: string): string => full.replace(/^docker\.io\/(?:library\/)?/, '')
