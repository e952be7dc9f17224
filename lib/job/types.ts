/** Job types by name, for an environment. */
import type { JobDefinition } from './define.ts'
import type { JobTypes } from './environment.ts'

/** The parameters' type is known inside a type's own folder only; here every type is one that takes what its schema gives. */
export const typesOf = (types: readonly { type: string }[]): JobTypes =>
  new Map(types.map((type) => [type.type, type as unknown as JobDefinition<never>]))
