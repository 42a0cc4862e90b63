/** `--format`, as far as dtrust's own commands have it: `json` alone. */
import { UsageError } from '../lib/errors.ts';
import { escapeShort } from '../lib/escape.ts';

/** Whether JSON is wanted. @throws UsageError USAGE for any other format */
export function assertJsonFormat(format: string | undefined): boolean {
  if (format === undefined) return false;
  if (format === 'json') return true;
  throw new UsageError({
    code: 'USAGE',
    message: `--format ${escapeShort(format)} is not known`,
    expected: 'json',
    found: escapeShort(format),
    hints: ['Use --format json.'],
  });
}
