/**
 * Prints what vitest's JSON report says as one line, `N passed, N failed`, and fails when anything failed:
 * `node scripts/ci-summary.ts REPORT`. Nothing in the line is written by hand.
 */
import { readFileSync } from 'node:fs';

/** The part of the report that is read. */
export interface TestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

export interface Summary {
  readonly lines: readonly string[];
  readonly isGreen: boolean;
}

/** A file that failed before any of its tests ran (a syntax error, a failing import) counts as one failure. */
export function summarise(report: TestReport): Summary {
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = report.numFailedTests + broken.length;
  const skipped = report.numPendingTests + report.numTodoTests;
  return {
    lines: [
      ...broken.map(({ name }) => `failed as a whole: ${name}`),
      ...(skipped === 0 ? [] : [`${skipped} skipped`]),
      `${report.numPassedTests} passed, ${failed} failed`,
    ],
    // A run without a single test is no proof of anything.
    isGreen: report.success && failed === 0 && report.numPassedTests > 0,
  };
}

if (import.meta.main) {
  const { lines, isGreen } = summarise(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as TestReport);
  process.stdout.write(`${lines.join('\n')}\n`);
  process.exitCode = isGreen ? 0 : 1;
}
