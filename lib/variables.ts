/** Environment variables as functions get them. */
import { fileURLToPath } from 'node:url'
import { LongshoreError } from './errors.ts'

export type Variables = Readonly<Record<string, string | undefined>>

export function requiredVariable(variables: Variables, name: string): string {
  const value = variables[name]
  if (!value)
    throw new LongshoreError('config-invalid', `${name} is not set; serverless.yml sets it for every function`)
  return value
}

/** The path in `file:///folder` or `file:/folder`. */
export const folderOf = (url: string): string =>
  url.startsWith('file://') ? fileURLToPath(url) : url.slice('file:'.length)

export const unknownForm = (name: string, value: string, known: string): LongshoreError =>
  new LongshoreError('config-invalid', `${name}=${value} is not understood; write ${known}`)
