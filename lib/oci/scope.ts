/** Scopes of the token specification. */
import type { CallOptions } from './types.ts'

/** Reading one repository. */
export const pullScope = (repository: string): string => `repository:${repository}:pull`

/** What a look needs, see `CallOptions.forPush`. */
export const lookScope = (repository: string, { forPush }: CallOptions): string =>
  forPush ? pushScope(repository) : pullScope(repository)

/** Reading and writing one repository. */
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`
