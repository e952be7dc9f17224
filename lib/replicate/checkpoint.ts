/** What one run tells the next. Only counts: which blobs are done is asked of the target itself. */
import type { Json } from '../glossary.ts'

export interface Checkpoint {
  copied: number
  mounted: number
  bytes: number
  sourceRequests: number
  targetRequests: number
  /** Runs in a row that finished no blob. */
  stuck: number
}

/** Reads what a former run left; anything missing or strange counts as 0, because only the report depends on it. */
export function readCheckpoint(value: Json | undefined): Checkpoint {
  const fields = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
  const count = (name: keyof Checkpoint) => {
    const found = fields[name]
    return typeof found === 'number' && Number.isSafeInteger(found) && found > 0 ? found : 0
  }
  return {
    copied: count('copied'),
    mounted: count('mounted'),
    bytes: count('bytes'),
    sourceRequests: count('sourceRequests'),
    targetRequests: count('targetRequests'),
    stuck: count('stuck'),
  }
}
