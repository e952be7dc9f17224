/** The one error of files with exceptions. */
import { LongshoreError } from '../../errors.ts'

export const invalidFile = (source: string, why: string): LongshoreError =>
  new LongshoreError(
    'invalid-value',
    `${source} cannot be read as exceptions: ${why.slice(0, 300)}; nothing of it applies`,
  )
