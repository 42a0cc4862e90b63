import { describe, expect, test } from 'vitest';
import { summarise, type TestReport } from '../scripts/ci-summary.ts';

const green: TestReport = {
  numPassedTests: 3,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  success: true,
  testResults: [{ name: 'a.test.ts', status: 'passed', assertionResults: [{ status: 'passed' }] }],
};

describe('the closing line of a run', () => {
  test('counts what passed', () => {
    expect(summarise(green)).toEqual({ lines: ['3 passed, 0 failed'], isGreen: true });
  });

  test('counts what failed, and is not green', () => {
    const report = { ...green, numFailedTests: 2, success: false };
    expect(summarise(report)).toEqual({ lines: ['3 passed, 2 failed'], isGreen: false });
  });

  test('counts a file that could not even be loaded', () => {
    const file = { name: 'b.test.ts', status: 'failed', assertionResults: [] };
    const summary = summarise({ ...green, success: false, testResults: [...green.testResults, file] });
    expect(summary).toEqual({
      lines: ['failed as a whole: b.test.ts', '3 passed, 1 failed'],
      isGreen: false,
    });
  });

  test('says what was skipped', () => {
    expect(summarise({ ...green, numPendingTests: 4 }).lines).toEqual(['4 skipped', '3 passed, 0 failed']);
  });

  test('is not green without a test, or when vitest itself says so', () => {
    expect(summarise({ ...green, numPassedTests: 0 }).isGreen).toBe(false);
    expect(summarise({ ...green, success: false }).isGreen).toBe(false);
  });
});
