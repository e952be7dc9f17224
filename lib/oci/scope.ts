/** Scopes of the token specification. */

/** Reading one repository. */
export const pullScope = (repository: string): string => `repository:${repository}:pull`

/** Reading and writing one repository. */
export const pushScope = (repository: string): string => `repository:${repository}:pull,push`
