import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/sequencer.ts'

// Two cores are the reference machine: more workers only fight over them.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/silent-canaries.ts'],
    pool: 'threads',
    maxWorkers: 2,
    isolate: false,
    // Ends what hangs. A slow machine beside other work took 15 s for what takes 3 s elsewhere.
    testTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
  },
})
