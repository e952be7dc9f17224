import { configDefaults, defineConfig } from 'vitest/config'
import { LongestFirst } from './test/sequencer.ts'

const HISTORIES = 'test/simulation/protocol.test.ts'

// Two cores are the reference machine: more workers only fight over them.
export default defineConfig({
  test: {
    setupFiles: ['test/silent-canaries.ts', 'test/seeded-properties.ts'],
    pool: 'threads',
    maxWorkers: 2,
    isolate: false,
    // Ends what hangs. A slow machine beside other work took 15 s for what takes 3 s elsewhere.
    testTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    // 20,000 histories keep both cores busy by themselves, and are to be over in 15 s: they come first, alone.
    projects: [
      { extends: true, test: { name: 'histories', include: [HISTORIES], sequence: { groupOrder: 0 } } },
      {
        extends: true,
        test: {
          name: 'tests',
          include: ['test/**/*.test.ts'],
          exclude: [...configDefaults.exclude, HISTORIES],
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
