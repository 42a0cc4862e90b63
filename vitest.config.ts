import { defineConfig } from 'vitest/config';

/** Where .ci/run wants the JSON report: `npm cit` passes no arguments on to the tests. */
const report = process.env.DTRUST_TEST_REPORT;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    hookTimeout: 240_000,
    pool: 'forks',
    reporters: ['default', ...(report === undefined ? [] : ['json'])],
    ...(report === undefined ? {} : { outputFile: { json: report } }),
  },
});
