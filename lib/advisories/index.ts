/** OSV in -> compact index out -> lookups. */
export { type BuildOptions, buildRevision } from './build.ts'
export { type ChangedKey, changedKeys, readChangedKeys } from './changes.ts'
export type { Comparison } from './constraints.ts'
export { packageKey } from './ecosystem.ts'
export type { AdvisoryDetails, AdvisoryMatch } from './model.ts'
export { type AdvisoryDatabase, createAdvisories, openAdvisories, openRevision } from './open.ts'
export type { OsvEvent } from './osv.ts'
export { directorySource } from './source.ts'
