/** The pages that people read. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export const pages = (root: string): string[] =>
  [root, join(root, 'docs'), join(root, 'docs/decisions')].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name)),
  )
