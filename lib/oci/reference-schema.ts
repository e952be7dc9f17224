/** An image reference as a field of a request: what `parseReference` refuses is refused with its sentence. */
import * as z from 'zod'
import { LIMITS } from '../config.ts'
import { parseReference } from './reference.ts'

export const referenceSchema = z
  .string()
  .min(1)
  .max(LIMITS.referenceBytesMax.default)
  .superRefine((text, check) => {
    try {
      parseReference(text)
    } catch (error) {
      check.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    }
  })
