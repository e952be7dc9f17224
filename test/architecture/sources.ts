/** The sources as the architecture tests see them: files, the imports between them, and the rooms they belong to. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

export const ROOT = join(import.meta.dirname, '../..')

export interface Import {
  from: string
  to: string
}

/** TypeScript files of these folders, as paths from the root. */
export function sourceFiles(...folders: string[]): string[] {
  return folders
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts'))
    .sort()
}

export const textOf = (file: string): string => readFileSync(join(ROOT, file), 'utf8')

/** Statements begin a line, as Biome formats them; types count too: what a file must know is what it depends on. */
const IMPORT = /^(?:import|export)\s[^'";]*?from\s+'([^']+)'|^import\s+'([^']+)'|\bimport\(\s*'([^']+)'\s*\)/gm

/** What a file imports: paths from the root for our own files, names for packages. */
export function importsOf(file: string, text = textOf(file)): string[] {
  return (
    [...text.matchAll(IMPORT)]
      .map((match) => (match[1] ?? match[2] ?? match[3])!)
      .map((name) => (name.startsWith('.') ? normalize(join(dirname(file), name)) : name))
      // AssemblyScript puts the ending there itself.
      .map((name) => (name.includes('/assembly/') && !name.endsWith('.ts') ? `${name}.ts` : name))
  )
}

/** Every import of one of our files by another. */
export function ownImports(files: readonly string[]): Import[] {
  return files.flatMap((from) =>
    importsOf(from)
      .filter((to) => to.startsWith('lib/') || to.startsWith('functions/'))
      .map((to) => ({ from, to })),
  )
}

/** `lib/job/submit.ts` -> `job`, `lib/app.ts` -> `app`, `functions/api.ts` -> `functions`. */
export function roomOf(file: string): string {
  const [first = '', second = ''] = file.split('/')
  return first === 'lib' ? second.replace(/\.ts$/, '') : first
}
