/**
 * The order of test files: the longest first, or the last one would run alone while a core is idle. Vitest remembers how
 * long files took, but not in a fresh clone.
 */
import { BaseSequencer, type TestSpecification } from 'vitest/node'

const LONGEST = [
  'test/local/start.test.ts',
  'test/simulation/protocol.test.ts',
  'test/infrastructure/template.test.ts',
  'test/simulation/mutants.test.ts',
  'test/canary.test.ts',
  'test/advisories/build.test.ts',
]

const place = ({ moduleId }: TestSpecification): number => {
  const index = LONGEST.findIndex((file) => moduleId.endsWith(file))
  return index < 0 ? LONGEST.length : index
}

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    return [...sorted].sort((a, b) => place(a) - place(b))
  }
}
