import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Where .ci/run wants the JSON report: `npm cit` passes no arguments on to the tests. */
const report = process.env.DTRUST_TEST_REPORT;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 240_000,
    pool: 'forks',
    // Tests wait more than they compute, for engines and for the turns of a publish; left to itself, vitest runs one less
    // than there are processors.
    maxWorkers: availableParallelism() + 1,
    reporters: ['default', ...(report === undefined ? [] : ['json'])],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
