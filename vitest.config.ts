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
    testTimeout: 20_000,
    sequence: { sequencer: LongestFirst },
  },
})
