/** Secrets that must be seen on the wire to their own registry and nowhere else. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** One per place a secret comes from, so that a finding says which door stood open. */
export const CANARIES = {
  api: 'canary-api-8d1f03',
  variable: 'canary-variable-52c7aa',
  echoed: 'canary-echoed-e91b44',
  realm: 'canary-realm-07aa3d',
  userinfo: 'canary-userinfo-6cf2b8',
} as const

export const USER = 'robot'

/** Plain, as a Basic header has it, and as a URL would. */
const formsOf = (secret: string): string[] => [
  secret,
  Buffer.from(`${USER}:${secret}`).toString('base64').replace(/=+$/, ''),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
]

/** Which canaries stand in a text, as `name in what`. */
export function canariesIn(what: string, text: string): string[] {
  return Object.entries(CANARIES).flatMap(([name, secret]) =>
    formsOf(secret).some((form) => text.includes(form)) ? [`${name} in ${what}`] : [],
  )
}

/** The same for every file under a folder. */
export function canariesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap((entry) => {
      const path = join(entry.parentPath, entry.name)
      return canariesIn(path.slice(folder.length + 1), readFileSync(path, 'latin1'))
    })
}
