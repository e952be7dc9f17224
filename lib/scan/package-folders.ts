/**
 * Folders beneath which packages are known by the folder's name. When such a folder is a symbolic link to one of another
 * name, nobody looks for packages there, and the scan has to say so. A link that stands for one package is none of these:
 * it leads to where the package is installed, or to a project of the image's maker.
 */
import { ANALYZERS } from './packages/index.ts'

/** A folder by the end of its path, and what an analyzer would look for in it. */
const FOLDERS: [folder: RegExp, within: string][] = [
  [/(?:^|\/)node_modules(?:\/@[^/]+)?$/, 'x/package.json'],
  [/(?:^|\/)specifications(?:\/default)?$/, 'x.gemspec'],
  [/(?:^|\/)vendor\/composer$/, 'installed.json'],
]

const isWanted = (path: string): boolean => ANALYZERS.some((analyzer) => analyzer.wants(path))

/** What would be looked for in a folder at this path, if it is one of these. */
function withinOf(path: string): string | undefined {
  const within = FOLDERS.find(([folder]) => folder.test(path))?.[1]
  return within !== undefined && isWanted(`${path}/${within}`) ? within : undefined
}

export const isPackageFolder = (path: string): boolean => withinOf(path) !== undefined

/** Whether packages of the folder at this path would be missed if it stood at the other one. */
export function isMissedAt(path: string, real: string): boolean {
  const within = withinOf(path)
  return within !== undefined && !isWanted(`${real}/${within}`)
}
