/** Which kinds of packages are what, apart from the analyzers: matching needs no parser. */
import type { FoundPackage } from '../model.ts'

/** Packages of an operating system; everything else may have been put there by one of them. */
export const OS_KINDS: ReadonlySet<FoundPackage['kind']> = new Set(['dpkg', 'apk', 'rpm'])

/** Found in programs, at any path. */
export const PROGRAM_KINDS: ReadonlySet<FoundPackage['kind']> = new Set(['go', 'cargo'])
