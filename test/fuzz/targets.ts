/** THE list of what is fuzzed: everything that reads what others wrote. A test names a reader that is missing. */
import type { Target } from './target.ts'
import { advisories } from './targets/advisories.ts'
import { documents } from './targets/documents.ts'
import { gunzips } from './targets/gunzip.ts'
import { layers } from './targets/layers.ts'
import { packages } from './targets/packages.ts'
import { registry } from './targets/registry.ts'
import { saved } from './targets/saved.ts'

export const TARGETS: readonly Target[] = [
  ...layers,
  ...packages,
  ...documents,
  ...advisories,
  ...registry,
  ...saved,
  ...gunzips,
]
