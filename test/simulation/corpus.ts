/** Histories that once found something: they run first, for ever. A change of scriptOf() makes other histories of them. */
export const CORPUS: readonly { seed: number; found: string }[] = []
