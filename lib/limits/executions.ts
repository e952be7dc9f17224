/** Fan-out. */
import { limit } from './limit.ts'

export const EXECUTION_LIMITS = {
  fanOutPageItems: limit(100, 1, 1_000, 'Tags per page; the cursor is written after each page.'),
  fanOutResolvesInParallel: limit(8, 1, 64, 'HEAD requests in flight while tags are resolved.'),
  executionItemsMax: limit(
    1_000_000,
    1,
    1e8,
    'Jobs that the listing of one execution makes; where it finds more it ends as an error.',
  ),
  policyImagesMax: limit(
    100,
    100,
    100,
    'Patterns of one policy; the record stays small. Part of the published schema, so it is not set.',
  ),
} as const
