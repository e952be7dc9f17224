/** OSV in -> compact index out -> lookups. */
export { type BuildOptions, type BuildResult, buildRevision } from './build.ts'
export type { AdvisoryDetails, AdvisoryMatch, JoinedSeverity } from './model.ts'
export { type Advisories, type AdvisoryDatabase, createAdvisories, openAdvisories } from './open.ts'
export type { OsvEvent, OsvSeverity } from './osv.ts'
export { type AdvisorySource, directorySource } from './source.ts'
