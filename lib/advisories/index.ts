/** OSV in -> compact index out -> lookups. */
export { type BuildOptions, buildRevision } from './build.ts'
export { type ChangedKey, changedKeys, EVERY_PACKAGE, readChangedKeys } from './changes.ts'
export { packageKey } from './ecosystem.ts'
export type { AdvisoryDetails, AdvisoryMatch } from './model.ts'
export { type AdvisoryDatabase, createAdvisories, openAdvisories, openRevision, pointedRevision } from './open.ts'
export type { OsvEvent } from './osv.ts'
export { directorySource } from './source.ts'
